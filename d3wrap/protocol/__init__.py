"""An honest comparison: a world to choose in, and a vault for the test rows."""

from __future__ import annotations

from d3wrap.protocol.sealing import SealedRows, Vault
from d3wrap.protocol.world import num_folds, validation_world

__all__ = ["SealedRows", "Vault", "num_folds", "validation_world"]
