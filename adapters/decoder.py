"""The network that reads semantics back from features, and how far what it reads is from the truth."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from d3wrap.adapters.networks import ConditionalNetwork


class SemanticDecoder(ConditionalNetwork):
    """â = W₂h + b₂ brought to unit length, with h = LeakyReLU(W₁x + b₁); features ``[n, d]`` → ``[n, k]``.

    Source: the decoder of TF-VAEGAN (Narayan et al., ECCV 2020), whose semantics have unit length too.
    """

    def __init__(self, feature_dim: int, hidden: int, semantic_dim: int) -> None:
        super().__init__([feature_dim], [hidden], semantic_dim)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden layer ``[n, hidden]`` and the semantics ``[n, k]``."""
        hidden = self.hidden_layers(features)
        return hidden, F.normalize(self.out(hidden), dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the semantics ``[n, k]`` of features ``[n, d]``."""
        return self.read(*inputs)[1]


def semantic_distance(predicted: Tensor, semantics: Tensor) -> Tensor:
    """Return the mean over rows of Σⱼ |eⱼ|³ / ‖e‖₂ with e = predicted − semantics, ``[n, k]`` → scalar.

    It is the ℓ₁ distance with each |eⱼ| weighted by eⱼ²/‖e‖₂. Source: the released TF-VAEGAN; its paper has ℓ₁.
    """
    error = (predicted - semantics).abs()
    # Where there is no error at all, the distance and its gradient are zero.
    length = error.square().sum(1).clamp(min=1e-24).sqrt()
    return (error.pow(3).sum(1) / length).mean()
