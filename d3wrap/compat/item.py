"""``loss.data[0]``: the first element of what has no dimensions now."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

GET = Tensor.__getitem__


def get(self: Tensor, index: Any) -> Tensor:
    """Return ``self[index]``, or the tensor itself (a view) where it has no dimensions and the index is 0 or -1."""
    try:
        return GET(self, index)
    except IndexError:
        if self.dim() == 0 and type(index) is int and index in (0, -1):
            return self.view(())
        raise


def apply(patches: Patches) -> None:
    """Let the only element of a tensor without dimensions be taken by index."""
    patches.put(torch.Tensor, "__getitem__", get)


SHIM = Shim(
    name="item",
    summary="`loss.data[0]`, `loss[0]` of a loss without dimensions: the loss itself",
    gone="torch 0.5 (1.0)",
    apply=apply,
)
