"""The device that stands for CUDA while the shim ``cuda`` is applied."""

from __future__ import annotations

from typing import Any

import torch

from d3wrap.errors import ConfigError

_target: torch.device | None = None


def target() -> torch.device | None:
    """Return the device that stands for CUDA, or None where nothing does."""
    return _target


def set_target(device: torch.device | None) -> None:
    """Let this device stand for CUDA from now on, or none."""
    global _target
    _target = device


def choose_target(device: str | torch.device | None) -> torch.device | None:
    """Return the device to map CUDA to: the one asked for, else the CPU where there is no CUDA, else None.

    Raises :class:`~d3wrap.errors.ConfigError` where ``device`` is no device, or CUDA itself.
    """
    if device is None:
        return None if torch.cuda.is_available() else torch.device("cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device: {device!r} is no device torch knows; use e.g. 'cpu' or 'mps'") from error
    if chosen.type == "cuda":
        raise ConfigError(
            f"device: {device!r} cannot stand for CUDA; name another, or leave it out, and nothing is mapped where "
            "torch.cuda.is_available()"
        )
    return chosen


def mapped(device: Any) -> Any:
    """Return the target for a device of CUDA's, named by number, text or ``torch.device``, else what was given."""
    if _target is None or device is None:
        return device
    if isinstance(device, str):
        return _target if device.partition(":")[0] == "cuda" else device
    if isinstance(device, torch.device):
        return _target if device.type == "cuda" else device
    return _target if type(device) is int else device
