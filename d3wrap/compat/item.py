"""``loss.data[0]``: the first element of what has no dimensions now."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

# Not Tensor.__getitem__: setting it makes every tensor a sequence to C code, for good, and torch.tensor([loss, loss])
# then asks for the length of what has none.
DATA: Any = Tensor.data


class _Data(Tensor):
    """What ``.data`` of a tensor without dimensions gives: the same numbers, whose first element can be taken."""

    # what is computed from it is a plain tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __getitem__(self, index: Any) -> Tensor:
        """Return the tensor for index 0 or -1."""
        plain = self.as_subclass(Tensor)
        if type(index) is int and index in (0, -1):
            return plain.view(())
        return plain[index]


def _get(self: Tensor) -> Tensor:
    found: Tensor = DATA.__get__(self)
    return found.as_subclass(_Data) if type(found) is Tensor and found.dim() == 0 else found


def _set(self: Tensor, value: Tensor) -> None:
    DATA.__set__(self, value.as_subclass(Tensor) if isinstance(value, _Data) else value)


def apply(patches: Patches) -> None:
    """Let the only element of ``.data`` without dimensions be taken by index."""
    patches.put(torch.Tensor, "data", property(_get, _set))


SHIM = Shim(
    name="item",
    summary="`loss.data[0]` of a loss without dimensions: the loss itself",
    gone="torch 0.5 (1.0)",
    apply=apply,
)
"""The shim; ``loss[0]`` without ``.data`` is not covered."""
