"""Binary cross-entropy over all pairs of a batch, from one matrix product."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BLOCK = 2048
"""Rows of the pair matrix held at once; up to this many rows nothing is computed twice."""


def pair_bce(
    left: Tensor,
    right: Tensor,
    groups: Tensor,
    *,
    scale: float,
    shift: float,
    balanced: bool,
    block: int = BLOCK,
) -> Tensor:
    """Return BCE-with-logits of ``scale · cos(left_i, right_j) + shift`` against ``groups_i = groups_j``.

    It is the mean over all N² pairs; with ``balanced`` the mean over pairs of one group and the mean over pairs of
    two groups count half each (where only one kind exists, it counts whole).

    Shapes: left and right ``[N, e]``, groups ``[N]`` integers → scalar. Cost O(N²·e) operations; memory is O(N²)
    numbers up to ``block`` rows and O(N·block) beyond, where the backward pass computes each block again.
    """
    left = F.normalize(left, dim=1, eps=1e-8)
    right = F.normalize(right, dim=1, eps=1e-8)
    rows = left.shape[0]
    starts = range(0, rows, block)
    pairs = float(rows * rows)
    if balanced:
        positive = torch.stack([_same(groups[i : i + block], groups).sum() for i in starts]).sum().to(left.dtype)
        negative = pairs - positive
        both = torch.where(negative > 0, 0.5, 1.0)  # i = j is always a positive pair, so positives exist
        weight_positive, weight_negative = both / positive, both / negative.clamp(min=1)
    else:
        weight_positive = weight_negative = left.new_full((), 1.0 / pairs)

    def partial_sum(part: Tensor, others: Tensor, part_groups: Tensor) -> Tensor:
        same = _same(part_groups, groups)
        logits = torch.addmm(left.new_full((), shift), part, others.T, alpha=scale)
        # BCE(l, t) = softplus(−l) for t = 1 and softplus(l) for t = 0.
        losses = F.softplus(torch.where(same, -logits, logits))
        return (losses * torch.where(same, weight_positive, weight_negative)).sum()

    if rows <= block:
        return partial_sum(left, right, groups)
    sums = [
        checkpoint(
            partial_sum,
            left[i : i + block],
            right,
            groups[i : i + block],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for i in starts
    ]
    return torch.stack(sums).sum()


def _same(part: Tensor, groups: Tensor) -> Tensor:
    return part[:, None] == groups[None, :]
