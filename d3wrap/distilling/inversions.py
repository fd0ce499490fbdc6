"""Count the pairs that two rankings put in opposite orders, many rankings at once."""

from __future__ import annotations

import torch
from torch import Tensor


def inversions(left: Tensor, right: Tensor) -> Tensor:
    """Count, in each row, the pairs of columns that left and right put in opposite orders.

    A pair with a tie in either is not counted. Shapes: scores ``[n, C]`` both → ``[n]`` int64, in 0 … C(C−1)/2. Time
    is O(n·C·log C) and memory O(n·C): a stable radix sort, bit by bit, in which every pair that is the wrong way round
    is met once, at the highest bit in which its two ranks differ.
    """
    rows, columns = left.shape
    ranks = _ranks_in_order(left, right)
    bits = max(columns - 1, 1).bit_length()
    # Ranks fill 0 … 2^bits − 1, so that all groups of equal higher bits are equally long. What is added is in order.
    added = torch.arange(columns, 2**bits, device=ranks.device).expand(rows, -1)
    ranks = torch.cat([ranks, added], 1)
    count = torch.zeros(rows, dtype=torch.long, device=ranks.device)
    for bit in range(bits - 1, -1, -1):
        groups = ranks.view(rows, -1, 2 ** (bit + 1))  # of ranks that agree in all higher bits, in the order so far
        ones = groups >> bit & 1
        count += (ones.cumsum(2) * (1 - ones)).sum((1, 2))  # a zero comes too late after each one before it
        ranks = groups.gather(2, ones.sort(dim=2, stable=True).indices).flatten(1)
    return count


def _ranks_in_order(left: Tensor, right: Tensor) -> Tensor:
    """Return the ranks by ``right`` of the columns in the order by ``left``; ties on either side leave no inversion."""
    first = right.argsort(dim=1, stable=True)
    order = first.gather(1, left.gather(1, first).argsort(dim=1, stable=True))
    return right.gather(1, order).argsort(dim=1, stable=True).argsort(dim=1)
