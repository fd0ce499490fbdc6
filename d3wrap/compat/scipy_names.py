"""Functions scipy had under other names, as ``scipy.integrate.trapz``."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from scipy import integrate, special

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim


def simps(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, even: str | None = None) -> Any:
    """Integrate by Simpson's rule; ``even`` has no effect, as in the last versions that took it."""
    return integrate.simpson(y, x=x, dx=dx, axis=axis)


OLD_NAMES: dict[str, dict[str, Any]] = {
    "scipy.integrate": {
        "trapz": integrate.trapezoid,
        "cumtrapz": integrate.cumulative_trapezoid,
        "simps": simps,
    },
    "scipy.misc": {"comb": special.comb, "factorial": special.factorial, "logsumexp": special.logsumexp},
}
"""For each module, the old names and what they stood for."""


def apply(patches: Patches) -> None:
    """Give scipy's modules the old names they no longer have."""
    for module, names in OLD_NAMES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy.misc says that it is empty
            owner = importlib.import_module(module)
        for name, value in names.items():
            patches.add(owner, name, value)


SHIM = Shim(
    name="scipy-names",
    summary="`scipy.integrate.trapz`, `cumtrapz`, `simps`, and `scipy.misc.logsumexp`, `comb`, `factorial`",
    gone="scipy 1.3 and 1.14",
    apply=apply,
)
