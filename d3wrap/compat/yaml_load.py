"""``yaml.load(stream)`` without a loader."""

from __future__ import annotations

from typing import Any

import yaml

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

LOADS = {"load": yaml.load, "load_all": yaml.load_all}


def load(stream: Any, Loader: Any = yaml.SafeLoader) -> Any:
    """Read one document, of plain values only unless the script names a loader."""
    return LOADS["load"](stream, Loader)


def load_all(stream: Any, Loader: Any = yaml.SafeLoader) -> Any:
    """Read all documents, of plain values only unless the script names a loader."""
    return LOADS["load_all"](stream, Loader)


def apply(patches: Patches) -> None:
    """Let the loader be left out."""
    patches.put(yaml, "load", load)
    patches.put(yaml, "load_all", load_all)


SHIM = Shim(
    name="yaml-load",
    summary="`yaml.load(f)` without a loader: plain values only; a document that makes Python objects is refused",
    gone="PyYAML 6",
    apply=apply,
)
