"""What CE-GZSL classifies in: an embedding of features, learned with instances and with classes to contrast."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from d3wrap.adapters.critic import Critic, initialise

NUMBERS = 2**26
"""Hidden units over all pairs held at once; up to here nothing is computed twice."""


class Comparator(Critic):
    """F(h, a) = w₂·LeakyReLU(W₁h + W₂a + b₁) + b₂, the critic's form: how well an embedding fits a class."""

    def all_pairs(self, embeddings: Tensor, semantics: Tensor, numbers: int = NUMBERS) -> Tensor:
        """Score each embedding ``[n, e]`` with each class ``[C, k]``: ``[n, C]``.

        W₁h and W₂a are computed once for each row and each class. Where the hidden units of all pairs are more than
        ``numbers``, rows are taken in blocks, and the backward pass computes each block again.
        """
        of_rows, of_classes = self.from_features(embeddings), self.from_semantics(semantics)
        block = max(1, numbers // of_classes.numel())
        if len(of_rows) <= block:
            return self._scores(of_rows, of_classes)
        parts = [
            checkpoint(self._scores, part, of_classes, use_reentrant=False, preserve_rng_state=False)
            for part in of_rows.split(block)
        ]
        return torch.cat(parts)

    def _scores(self, of_rows: Tensor, of_classes: Tensor) -> Tensor:
        hidden = of_rows[:, None] + of_classes[None]
        return self.score(hidden.flatten(0, 1)).view(len(of_rows), len(of_classes))


class ContrastiveEmbedding(nn.Module):
    """h = ReLU(E x), its projection z for the contrast of instances, and its scores F(h, a) for that of classes."""

    def __init__(
        self, feature_dim: int, semantic_dim: int, embedding_dim: int, projection_dim: int, comparator_hidden: int
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(feature_dim, embedding_dim)
        self.project = nn.Linear(embedding_dim, projection_dim)
        self.comparator = Comparator(embedding_dim, semantic_dim, comparator_hidden)
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Return h, ``[n, d]`` → ``[n, e]``."""
        return F.relu(self.embed(features))

    def projection(self, embeddings: Tensor) -> Tensor:
        """Return z of unit length, ``[n, e]`` → ``[n, p]``."""
        return F.normalize(self.project(embeddings), dim=1)
