"""Masks as they were: 0 and 1 of type uint8, which can be subtracted."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

MASKED = ("masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_", "masked_select")


def subtraction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a subtraction that takes comparisons' results for numbers of type uint8 where torch refuses them."""

    @wraps(function)
    def subtract(self: Tensor, other: Any, *args: Any, **options: Any) -> Any:
        try:
            return function(self, other, *args, **options)
        except RuntimeError:
            boolean = [x.dtype is torch.bool if isinstance(x, Tensor) else False for x in (self, other)]
            if not any(boolean):
                raise
            numbers = [x.to(torch.uint8) if is_mask else x for x, is_mask in zip((self, other), boolean, strict=True)]
            return function(*numbers, *args, **options)

    return subtract


def masked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a masked operation that takes a mask of type uint8."""

    @wraps(function)
    def call(self: Tensor, mask: Tensor, *args: Any, **options: Any) -> Any:
        return function(self, mask.bool() if mask.dtype is torch.uint8 else mask, *args, **options)

    return call


def apply(patches: Patches) -> None:
    """Let masks be subtracted, and be of type uint8."""
    for name in ("__sub__", "__rsub__"):
        patches.put(torch.Tensor, name, subtraction(getattr(torch.Tensor, name)))
    for name in MASKED:
        patches.put(torch.Tensor, name, masked(getattr(torch.Tensor, name)))
    for name in ("masked_fill", "masked_select"):
        patches.put(torch, name, masked(getattr(torch, name)))


SHIM = Shim(
    name="masks",
    summary="`1 - mask` and `mask - mask` of comparisons' results, which give 0 and 1 of type uint8, and such masks in "
    "`masked_fill`, `masked_select`, `masked_scatter`",
    gone="torch 1.2 and 2.x",
    apply=apply,
)
