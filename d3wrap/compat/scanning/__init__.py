"""Reading scripts, without running them, for what current versions no longer have."""

from __future__ import annotations

from d3wrap.compat.scanning.finding import Finding
from d3wrap.compat.scanning.reading import scan

__all__ = ["Finding", "scan"]
