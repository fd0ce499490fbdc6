"""Names that numpy had until 1.24, 2.0 or 2.4."""

from __future__ import annotations

from typing import Any

import numpy as np

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

BUILTINS: dict[str, Any] = {
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
    "unicode": str,
}
"""What ``np.int`` and its like always were: Python's own types. ``np.bool`` and ``np.long`` are numpy's again."""

CONSTANTS: dict[str, float] = {
    "Inf": np.inf,
    "Infinity": np.inf,
    "PINF": np.inf,
    "infty": np.inf,
    "NINF": -np.inf,
    "NaN": np.nan,
    "PZERO": 0.0,
    "NZERO": -0.0,
}
RENAMED = {
    "bool8": "bool_",
    "int0": "intp",
    "uint0": "uintp",
    "object0": "object_",
    "str0": "str_",
    "bytes0": "bytes_",
    "void0": "void",
    "float_": "float64",
    "longfloat": "longdouble",
    "cfloat": "complex128",
    "complex_": "complex128",
    "singlecomplex": "complex64",
    "clongfloat": "clongdouble",
    "longcomplex": "clongdouble",
    "string_": "bytes_",
    "unicode_": "str_",
    "product": "prod",
    "cumproduct": "cumprod",
    "alltrue": "all",
    "sometrue": "any",
    "round_": "round",
    "row_stack": "vstack",
    "mat": "asmatrix",
    "rank": "ndim",
    "trapz": "trapezoid",
}
"""Old name: the name numpy has for the same thing now."""

EXCEPTIONS = ("AxisError", "ComplexWarning", "ModuleDeprecationWarning", "TooHardError", "VisibleDeprecationWarning")
"""Moved to ``np.exceptions`` in 2.0; scripts filter warnings by them."""


def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> np.ndarray:
    """Tell for each element of ``ar1``, flattened, whether it is in ``ar2``."""
    return np.isin(np.asarray(ar1).ravel(), ar2, assume_unique=assume_unique, invert=invert)


def asfarray(a: Any, dtype: Any = np.float64) -> np.ndarray:
    """Return ``a`` as an array of floating point numbers."""
    return np.asarray(a, dtype=dtype if np.issubdtype(dtype, np.inexact) else np.float64)


def asscalar(a: np.ndarray) -> Any:
    """Return the only element of an array as a Python number."""
    return a.item()


def msort(a: Any) -> np.ndarray:
    """Return a copy sorted along the first axis."""
    return np.sort(a, axis=0)


FUNCTIONS = {"in1d": in1d, "asfarray": asfarray, "asscalar": asscalar, "msort": msort, "alen": len}


def old_names() -> dict[str, Any]:
    """Return every old name with what stands for it in the numpy that is installed."""
    names = BUILTINS | CONSTANTS | FUNCTIONS
    names |= {old: getattr(np, new) for old, new in RENAMED.items() if hasattr(np, new)}
    exceptions = getattr(np, "exceptions", None)
    return names | {name: getattr(exceptions, name) for name in EXCEPTIONS if hasattr(exceptions, name)}


def apply(patches: Patches) -> None:
    """Give numpy the old names it no longer has."""
    for name, value in old_names().items():
        patches.add(np, name, value)


SHIM = Shim(
    name="numpy-names",
    summary="names numpy no longer has: `np.int`, `np.float`, `np.object`, `np.str`, `np.Inf`, `np.NaN`, `np.float_`, "
    "`np.product`, `np.in1d`, `np.trapz`, `np.mat`, `np.VisibleDeprecationWarning`, …",
    gone="numpy 1.24, 2.0 and 2.4",
    apply=apply,
)
