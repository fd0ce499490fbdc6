"""Training that survives: what a run is in the middle of, written whole and found again after ``kill -9``."""

from d3wrap.checkpoints.checkpoints import Checkpoints

__all__ = ["Checkpoints"]
