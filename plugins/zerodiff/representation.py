"""The second view of an image: a representation learned from its feature by supervised contrast."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.adapters.critic import initialise
from d3wrap.contrastive import supervised_contrastive


class Representation(nn.Module):
    """R(v) = s · h / ‖h‖ with h = ReLU(W v + b), the layer before the head that the contrast is learned through.

    Shapes: ``[n, d]`` → ``[n, m]``, ≥ 0. All rows have the length s, the mean length of a training feature: then
    [v, R(v)] gives a classifier as much of the one as of the other, and a diffusion's unit noise hides both alike.
    ZeroDiff takes representations from a second, fine-tuned backbone; of a dataset's one set of features this is the
    nearest thing. As there, it is the layer below the head: what the head gives is worse for classes it never saw.
    """

    scale: Tensor

    def __init__(self, feature_dim: int, dim: int, head_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(feature_dim, dim)
        self.head = nn.Linear(dim, head_dim)
        self.register_buffer("scale", torch.tensor(1.0))
        initialise(self)

    def fit_scale(self, features: Tensor) -> None:
        """Set s to the mean length of these features ``[n, d]``."""
        self.scale.copy_(features.norm(dim=1).mean())

    def forward(self, features: Tensor) -> Tensor:
        """Return the representation of each row."""
        return self.on_sphere(self.hidden(features))

    def on_sphere(self, values: Tensor) -> Tensor:
        """Return ReLU(values) with each row ``[n, m]`` at length s; a row without a positive number gives 0."""
        return self.scale * F.normalize(F.relu(values), dim=1)

    def contrast(self, features: Tensor, labels: Tensor, temperature: float) -> Tensor:
        """Return the supervised contrastive loss of the head on features ``[n, d]`` with labels ``[n]``."""
        return supervised_contrastive(self.head(F.relu(self.hidden(features))), labels, temperature)
