"""Devices and number formats: nothing is assumed, everything opted into is recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

from d3wrap.errors import ConfigError

Precision = Literal["exact", "tf32", "bf16"]


def resolve_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:n``.

    ``auto`` is the first CUDA device where there is one. Raises :class:`~d3wrap.errors.ConfigError` for a device
    that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: expected auto, cpu or cuda[:n], found {name!r}") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise ConfigError(
                f"device: {name!r} asked for, but this machine has {count} CUDA devices: use 'cpu' or 'auto'"
            )
        return torch.device("cuda", device.index or 0)
    if device.type != "cpu":
        raise ConfigError(f"device: expected auto, cpu or cuda[:n], found {name!r}")
    return device


@contextlib.contextmanager
def computing(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute inside the block with plain float arithmetic (``exact``), TF32 matrix products, or bf16 autocast.

    TF32 exists on CUDA alone and changes nothing elsewhere; the process-wide setting is restored after the block.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
