"""The weight of a gradient penalty that follows how well the critic keeps to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptivePenalty(nn.Module):
    """Weigh gradient penalties, and change the weight by a tenth where their mean leaves [low, high].

    After each ``every`` penalties the weight is multiplied by 1.1 if their mean is above ``high``, divided by 1.1 if it
    is below ``low``; ``every`` 0 keeps it. The state is in buffers, so that it is stored with the network and
    nothing waits for the device. Source: the released f-VAEGAN-D2 and TF-VAEGAN, which have 1.001 and 1.05.
    """

    weight: Tensor
    total: Tensor
    count: Tensor

    def __init__(self, weight: float, *, every: int, low: float = 1.001, high: float = 1.05) -> None:
        super().__init__()
        self.every, self.low, self.high = every, low, high
        self.register_buffer("weight", torch.tensor(float(weight)))
        self.register_buffer("total", torch.tensor(0.0))
        self.register_buffer("count", torch.tensor(0.0))

    def forward(self, penalty: Tensor) -> Tensor:
        """Return the weighted penalty (a scalar), and take note of it."""
        weighted = self.weight * penalty
        if self.every and self.training:
            self._note(penalty.detach())
        return weighted

    @torch.no_grad()
    def _note(self, penalty: Tensor) -> None:
        total, count = self.total + penalty, self.count + 1
        full = count >= self.every
        mean = total / count
        factor = torch.where(mean > self.high, 1.1, torch.where(mean < self.low, 1 / 1.1, 1.0))
        # Not in place: the graph of this step still holds the old weight.
        self.weight = torch.where(full, self.weight * factor, self.weight)
        self.total = torch.where(full, 0.0, total)
        self.count = torch.where(full, 0.0, count)
