"""The versions of what a script and d3wrap run on."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("d3wrap", "torch", "numpy", "scipy", "FrEIA")


def environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that old scripts depend on most; ``-`` where one is missing."""
    return {"python": platform.python_version(), **{name: installed(name) or "-" for name in PACKAGES}}


def installed(package: str) -> str | None:
    """Return the version of an installed package, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
