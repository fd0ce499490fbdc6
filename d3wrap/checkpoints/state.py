"""The state of networks, optimizers and random streams, as a checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from d3wrap.errors import DataError


def module_state(module: nn.Module) -> dict[str, Any]:
    """Return parameters, buffers (those that ``state_dict`` leaves out too) and what ``get_extra_state`` gives."""
    return {
        "parameters": dict(module.named_parameters()),
        "buffers": dict(module.named_buffers()),
        "extra": {name: part.get_extra_state() for name, part in _with_extra(module).items()},
    }


@torch.no_grad()
def load_module_state(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Put back what :func:`module_state` returned, in place: optimizers keep their parameters.

    A buffer that has another shape or type by now is replaced. Raises :class:`~d3wrap.errors.DataError` for a state of
    another network.
    """
    parameters = dict(module.named_parameters())
    slots = {
        f"{name}.{buffer}" if name else buffer: (part, buffer)
        for name, part in module.named_modules()
        for buffer in part._buffers
    }
    _require_same("parameters", set(parameters), set(state["parameters"]), module)
    buffers = set(state["buffers"])
    # One that the network registered as None may have come to hold something.
    _require_same("buffers", set(dict(module.named_buffers())) | buffers & set(slots), buffers, module)
    device = next((p.device for p in parameters.values()), torch.device("cpu"))
    for name, parameter in parameters.items():
        _require_same(name, {tuple(parameter.shape)}, {tuple(state["parameters"][name].shape)}, module)
        parameter.copy_(state["parameters"][name])
    for name, value in state["buffers"].items():
        part, buffer = slots[name]
        own = part._buffers[buffer]
        if own is not None and own.shape == value.shape and own.dtype == value.dtype:
            own.copy_(value)
        else:
            setattr(part, buffer, value.to(device))
    for name, part in _with_extra(module).items():
        part.set_extra_state(state["extra"][name])


def _with_extra(module: nn.Module) -> dict[str, nn.Module]:
    own = nn.Module.get_extra_state
    return {name: part for name, part in module.named_modules() if type(part).get_extra_state is not own}


def _require_same(what: str, own: set[Any], stored: set[Any], module: nn.Module) -> None:
    if own != stored:
        raise DataError(
            f"checkpoint does not fit {type(module).__name__}: {what}: the network has {sorted(own - stored)}, "
            f"the checkpoint {sorted(stored - own)}"
        )


def optimizer_state(optimizer: Optimizer, schedule: LRScheduler | None = None) -> dict[str, Any]:
    """Return what an optimizer has learned of its parameters, its rates, and where their schedule is."""
    whole = optimizer.state_dict()
    return {
        "state": {str(index): dict(values) for index, values in whole["state"].items()},
        "rates": [group["lr"] for group in whole["param_groups"]],
        "schedule": None
        if schedule is None
        else {key: value for key, value in schedule.state_dict().items() if key != "lr_lambdas"},
    }


def load_optimizer_state(optimizer: Optimizer, state: Mapping[str, Any], schedule: LRScheduler | None = None) -> None:
    """Put back what :func:`optimizer_state` returned."""
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict(
        {
            "state": {int(index): dict(values) for index, values in state["state"].items()},
            "param_groups": [{**group, "lr": lr} for group, lr in zip(groups, state["rates"], strict=True)],
        }
    )
    if schedule is not None:
        lambdas = schedule.state_dict().get("lr_lambdas", [])
        schedule.load_state_dict({**state["schedule"], "lr_lambdas": lambdas})


def global_streams(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's global random streams, the CPU's and that of ``device``."""
    streams = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        streams["cuda"] = torch.cuda.get_rng_state(device)
    return streams


def set_global_streams(streams: Mapping[str, Tensor], device: torch.device) -> None:
    """Put back what :func:`global_streams` returned."""
    torch.default_generator.set_state(streams["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(streams["cuda"], device)
