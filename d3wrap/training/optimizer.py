"""Adam as every part of d3wrap uses it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Adam


def adam(
    parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    betas: tuple[float, float] = (0.5, 0.999),
    weight_decay: float = 0.0,
) -> Adam:
    """Return Adam with its update in one fused kernel, where the device has one."""
    listed = list(parameters)
    fused = all(p.device.type in ("cpu", "cuda") for p in listed)
    return Adam(listed, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)
