"""The affine map between features and what a diffusion adds noise to."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Centring(nn.Module):
    """x = (v − ``shift``) / ``scale`` for features v, ``[n, d]``; until :meth:`fit` it changes nothing.

    ``shift`` is the mean of each dimension, so that N(0, I) is where the noise leads. ``scale`` is one number for all
    dimensions, so that distances keep their proportions: how much of x a level of noise hides then depends on its
    spread alone (Chen, *On the Importance of Noise Scheduling for Diffusion Models*, 2023, has the same factor).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, features: Tensor, spread: float) -> None:
        """Learn both from features ``[n, d]``, so that the mean over dimensions of the variance of x is spread²."""
        self.shift.copy_(features.mean(0))
        self.scale.copy_((features - self.shift).square().mean().sqrt().clamp(min=1e-12) / spread)

    def forward(self, features: Tensor) -> Tensor:
        """Return x of features."""
        return (features - self.shift) / self.scale

    def back(self, centred: Tensor) -> Tensor:
        """Return the features of x."""
        return centred * self.scale + self.shift
