"""Calls that old versions of torch, numpy and FrEIA had, supplied while a script of that time runs."""

from __future__ import annotations

from d3wrap.compat.block import compatible
from d3wrap.compat.scanning import Finding, scan
from d3wrap.compat.shim import Shim
from d3wrap.compat.shims import SHIMS

__all__ = ["SHIMS", "Finding", "Shim", "compatible", "scan"]
