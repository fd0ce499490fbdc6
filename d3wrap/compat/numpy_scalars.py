"""Arrays of one element where a number is asked for, as ``int(np.argwhere(x == y))``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

FINDERS = ("argwhere", "flatnonzero", "nonzero", "where")
"""The functions whose results scripts take for a number. A class of array cannot be patched, so these give another."""


class Found(np.ndarray):
    """An array that is also a number where it holds one element, whatever its number of dimensions.

    What is computed from it or taken out of it is such an array too; sums and the like are numpy's own scalars.
    """

    def __int__(self) -> int:
        return int(self.item()) if self.size == 1 else super().__int__()

    def __float__(self) -> float:
        return float(self.item()) if self.size == 1 else super().__float__()

    def __complex__(self) -> complex:
        return complex(self.item()) if self.size == 1 else super().__complex__()

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return numpy's scalar where a plain array would have given one, not an array without dimensions."""
        return array[()] if return_scalar else array.view(Found)

    def __reduce__(self) -> Any:
        """Store a plain array, which anybody can read back."""
        return self.view(np.ndarray).__reduce__()


def marked(result: Any) -> Any:
    """Return arrays, or a tuple of them, as :class:`Found`, sharing their memory."""
    if isinstance(result, tuple):
        return tuple(marked(part) for part in result)
    return result.view(Found) if type(result) is np.ndarray else result


def finder(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its results marked; ``np.where`` with three arguments finds nothing, and is as ever."""

    @wraps(function)
    def find(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        return result if len(args) + len(options) == 3 else marked(result)

    return find


def apply(patches: Patches) -> None:
    """Let what these functions find be taken for a number."""
    for name in FINDERS:
        patches.put(np, name, finder(getattr(np, name)))


SHIM = Shim(
    name="numpy-scalars",
    summary="`int(…)` and `float(…)` of an array of one element with dimensions, for what `np.argwhere`, `np.where`, "
    "`np.nonzero` and `np.flatnonzero` return and what is computed from that; other arrays are not covered",
    gone="numpy 2.4",
    apply=apply,
)
