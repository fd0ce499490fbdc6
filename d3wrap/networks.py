"""The one network teacher and student are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.batch import Embedded


class EmbeddingClassifier(nn.Module):
    """A linear embedding with ReLU, and a linear classifier on it: z = ReLU(Wx + b), v = Cz + c.

    Shapes: features ``[n, d]`` → embedding ``[n, e]`` and logits ``[n, num_classes]``.
    """

    def __init__(self, feature_dim: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(feature_dim, embedding_dim)
        self.classify = nn.Linear(embedding_dim, num_classes)

    def forward(self, features: Tensor) -> Embedded:
        """Return embedding and logits of ``features``."""
        embedding = F.relu(self.embed(features))
        return Embedded(embedding, self.classify(embedding))


class Student(EmbeddingClassifier):
    """The student: an embedding E_s and a classifier C_s over all classes, seen and unseen."""


class Teacher(EmbeddingClassifier):
    """The teacher: an embedding E_o and a classifier C_o over the seen classes, frozen once it is trained."""
