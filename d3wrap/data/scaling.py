"""Min–max scaling, fitted on training rows and applied to all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MinMaxScaler:
    """Map each feature to [0, 1] by the minimum and maximum it has on the rows it was fitted on.

    A feature that is constant there maps to 0; rows outside the fitted range may leave [0, 1].
    """

    minimum: Tensor
    span: Tensor

    @classmethod
    def fit(cls, features: Tensor, *, jointly: bool = False) -> MinMaxScaler:
        """Fit on ``features`` of shape ``[n, d]``, n ≥ 1; ``jointly`` gives all d one range, as pixels have."""
        minimum, maximum = features.amin(0), features.amax(0)
        if jointly:
            minimum, maximum = minimum.amin().expand_as(minimum), maximum.amax().expand_as(maximum)
        span = maximum - minimum
        return cls(minimum, torch.where(span > 0, span, torch.ones_like(span)))

    def transform(self, features: Tensor) -> Tensor:
        """Scale ``features`` of shape ``[..., d]``."""
        return (features - self.minimum.to(features)) / self.span.to(features)

    def inverse(self, scaled: Tensor) -> Tensor:
        """Undo :meth:`transform`."""
        return scaled * self.span.to(scaled) + self.minimum.to(scaled)
