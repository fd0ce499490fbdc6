"""``Variable(x, volatile=True)``: whatever is computed from x records no gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

VARIABLE: Any = torch.autograd.Variable
WAYS_OUT = (torch.Tensor.data.__get__, torch.Tensor.detach)  # type: ignore[attr-defined]
"""What gave a plain tensor of a volatile one."""


class Volatile(Tensor):
    """A tensor that makes everything computed from it volatile too, until ``.data`` or ``.detach()``."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch.no_grad():
            result = super().__torch_function__(func, types, args, kwargs or {})
        return result.as_subclass(Tensor) if func in WAYS_OUT else result

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Store a plain tensor, which anybody can read back."""
        return self.as_subclass(Tensor).__reduce_ex__(protocol)


class OldVariable(VARIABLE):
    """``torch.autograd.Variable`` as it was: ``volatile`` has its effect."""

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:  # noqa: D102
        if data is None:
            return VARIABLE()
        if volatile:
            return data.detach().as_subclass(Volatile)
        plain = data.as_subclass(Tensor) if isinstance(data, Volatile) else data
        return VARIABLE(plain, requires_grad)


def apply(patches: Patches) -> None:
    """Give ``volatile=`` its effect, and no warning."""
    patches.put(torch.autograd, "Variable", OldVariable)
    patches.put(torch.autograd.variable, "Variable", OldVariable)


SHIM = Shim(
    name="volatile",
    summary="`Variable(x, volatile=True)`: what is computed from x needs no memory for gradients, until `.data`; "
    "without the shim torch warns, and records gradients",
    gone="torch 0.4",
    apply=apply,
)
