"""Real features in random order, indexed out of a resident tensor."""

from __future__ import annotations

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
