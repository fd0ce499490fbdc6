"""Attach D³ to a training script that was never written for it."""

from __future__ import annotations

from d3wrap.attaching.entry import attach
from d3wrap.attaching.handle import Handle
from d3wrap.attaching.report import AttachReport

__all__ = ["AttachReport", "Handle", "attach"]
