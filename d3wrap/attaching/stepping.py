"""Add D³'s gradient to that of a script's own loss when its optimizer steps, and take it away after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from d3wrap.errors import ConfigError

Gradients = Mapping[nn.Parameter, Tensor]


def trained(optimizer: Optimizer) -> list[nn.Parameter]:
    """Return the parameters of an optimizer that are not frozen now."""
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


class Stepping:
    """Hooks on optimizers: before a step D³'s gradients are added, after it ``grad`` is what the script put there.

    ``gradients(optimizer)`` gives the gradients to add, or ``None`` for a step to leave alone; it is called once a
    step. With ``share`` s they are first scaled to norm s·‖own‖ over the parameters of the optimizer; ``scale`` then
    multiplies them. A closure's gradients are added to each time it has been called.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        gradients: Callable[[Optimizer], Gradients | None],
        *,
        share: Callable[[], float],
        scale: float,
    ) -> None:
        for optimizer in optimizers:
            if not hasattr(optimizer, "register_step_pre_hook"):
                raise ConfigError(
                    f"optimizer: expected torch optimizers, found a {type(optimizer).__name__}: give the torch "
                    "optimizer inside it, or leave optimizer= out and add on_batch(features, labels).total to the loss"
                )
            if any(isinstance(getattr(hook, "__self__", None), Stepping) for hook in _hooks_of(optimizer)):
                raise ConfigError(
                    f"optimizer: D³ is attached to this {type(optimizer).__name__} already: call detach() of the first "
                    "handle, or give all its optimizers at once"
                )
        self._gradients, self._share, self._scale = gradients, share, scale
        self._own: dict[Optimizer, list[tuple[nn.Parameter, Tensor | None]]] = {}
        self._hooks = [
            hook
            for optimizer in optimizers
            for hook in (
                optimizer.register_step_pre_hook(self._before),
                optimizer.register_step_post_hook(self._after),
            )
        ]

    def stop(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _before(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        by_name = "closure" in kwargs
        closure = kwargs["closure"] if by_name else args[1] if len(args) > 1 else None
        if not callable(closure):
            self._add(optimizer, self._gradients(optimizer))
            return None
        found: list[Gradients | None] = []

        def with_d3() -> Any:
            self._restore(optimizer)  # the script zeroes and fills its own
            loss = closure()
            if not found:
                found.append(self._gradients(optimizer))
            self._add(optimizer, found[0])
            return loss

        if by_name:
            return args, {**kwargs, "closure": with_d3}
        return (args[0], with_d3, *args[2:]), kwargs

    def _add(self, optimizer: Optimizer, extra: Gradients | None) -> None:
        if not extra:
            return
        factor = self._factor(optimizer, extra)
        self._own[optimizer] = [(parameter, parameter.grad) for parameter in extra]
        for parameter, gradient in extra.items():
            added = (gradient * factor).to(parameter.dtype)
            parameter.grad = added if parameter.grad is None else parameter.grad + added

    def _factor(self, optimizer: Optimizer, extra: Gradients) -> Tensor | float:
        """Return what D³'s gradients are multiplied by; a fused optimizer under ``GradScaler`` sees scaled ones."""
        scaled_by = getattr(optimizer, "grad_scale", None)
        share = self._share()
        if not share:
            return self._scale if scaled_by is None else self._scale * scaled_by
        own = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        size = nn.utils.get_total_norm(own).to(next(iter(extra)).device)
        return self._scale * share * size / nn.utils.get_total_norm(list(extra.values())).clamp(min=1e-12)

    def _after(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._restore(optimizer)

    def _restore(self, optimizer: Optimizer) -> None:
        for parameter, gradient in self._own.pop(optimizer, ()):
            parameter.grad = gradient


def _hooks_of(optimizer: Optimizer) -> list[object]:
    return list(optimizer._optimizer_step_pre_hooks.values())


def as_optimizers(optimizer: Any) -> list[Optimizer]:
    """Return ``optimizer=`` as a list: one, several, or none."""
    if optimizer is None:
        return []
    several = isinstance(optimizer, Iterable) and not hasattr(optimizer, "param_groups")
    found: list[Any] = list(optimizer) if several else [optimizer]
    return list(dict.fromkeys(found))


def reached(loss: Tensor, parameters: Sequence[nn.Parameter]) -> dict[nn.Parameter, Tensor]:
    """Return the gradients of ``loss`` on those of ``parameters`` that it depends on."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {p: gradient for p, gradient in zip(parameters, found, strict=True) if gradient is not None}
