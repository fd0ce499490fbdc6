"""Real features in random order, indexed out of a resident tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from d3wrap.generator import RealBatch


class RealBatches:
    """Endless batches of the training rows: a fresh permutation each epoch, its incomplete last batch left out.

    Everything stays on the device of ``features``; a batch is one gather, which is faster than a ``DataLoader``.
    A dataset smaller than ``size`` gives whole epochs.
    """

    def __init__(self, features: Tensor, labels: Tensor, semantics: Tensor, size: int, rng: torch.Generator) -> None:
        self.features, self.labels, self.semantics = features, labels, semantics
        self.size = min(size, features.shape[0])
        self.rng = rng
        self._order = torch.empty(0, dtype=torch.long)
        self._next = 0

    def draw(self) -> RealBatch:
        """Return the next batch."""
        if self._next + self.size > self._order.shape[0]:
            self._order = torch.randperm(self.features.shape[0], generator=self.rng, device=self.features.device)
            self._next = 0
        rows = self._order[self._next : self._next + self.size]
        self._next += self.size
        labels = self.labels[rows]
        return RealBatch(self.features[rows], labels, self.semantics[labels])

    def state(self) -> dict[str, Any]:
        """Return where the order of rows and its random stream are."""
        return {"rng": self.rng.get_state(), "order": self._order, "next": self._next}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` returned."""
        self.rng.set_state(state["rng"])
        self._order, self._next = state["order"].to(self.features.device), state["next"]
