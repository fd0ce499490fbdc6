"""Seeded splits for datasets that come without one."""

from __future__ import annotations

import torch
from torch import Tensor

from d3wrap.seeds import stream


def hold_out(labels: Tensor, classes: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split the rows of ``classes`` into training and test rows, ``fraction`` of each class's rows to the test.

    Each class gives at least one row to either side, so it needs two. Returns both sorted, int64.
    """
    rng = stream(seed, "hold-out")
    train, test = [], []
    for index in classes.tolist():
        rows = (labels == index).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=rng)]
        count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
        test.append(rows[:count])
        train.append(rows[count:])
    return torch.cat(train).sort().values, torch.cat(test).sort().values
