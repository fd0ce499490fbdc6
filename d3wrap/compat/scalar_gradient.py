"""``loss.backward(one)`` with ``one = torch.FloatTensor([1])``: a loss had one dimension once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

BACKWARD = Tensor.backward


def backward(self: Tensor, gradient: Tensor | None = None, *args: Any, **options: Any) -> None:
    """Differentiate, with a gradient of one element taken in the shape of a result of one element."""
    if gradient is not None and gradient.numel() == self.numel() == 1:
        gradient = gradient.reshape(self.shape)
    BACKWARD(self, gradient, *args, **options)


def apply(patches: Patches) -> None:
    """Let ``backward`` take a gradient of shape [1] for a loss without dimensions."""
    patches.put(torch.Tensor, "backward", backward)


SHIM = Shim(
    name="scalar-gradient",
    summary="`loss.backward(one)` with `one = torch.FloatTensor([1])`, where the loss has no dimensions now",
    gone="torch 0.4 to 1.0",
    apply=apply,
)
