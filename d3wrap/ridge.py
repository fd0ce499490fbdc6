"""Ridge regression with an intercept, its strength found from the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from d3wrap.errors import ShapeError

STRENGTHS = tuple(10.0**power for power in range(-8, 3))
"""What is tried, as shares of the largest eigenvalue of xᵀx."""


class Affine(NamedTuple):
    """x ↦ x·weight + bias; weight ``[d, e]``, bias ``[e]``."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Map ``[n, d]`` to ``[n, e]``."""
        return x @ self.weight + self.bias


def ridge(x: Tensor, y: Tensor, strengths: Sequence[float] = STRENGTHS) -> Affine:
    """Fit y ≈ x·weight + bias, ‖y − ŷ‖² + λ‖weight‖² least, for rows x ``[n, d]`` and y ``[n, e]``.

    λ is the one of ``strengths`` (shares of the largest eigenvalue of centred xᵀx, so that the scale of x does not
    matter) of the smallest generalised cross-validation error n·‖y − ŷ‖² / (n − degrees of freedom)² (Golub, Heath and
    Wahba, Technometrics 1979). Computed in float64 and returned in the dtype of x. Raises
    :class:`~d3wrap.errors.ShapeError` for rows that do not pair up, or fewer than two.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
        raise ShapeError(
            f"ridge: expected [n, d] and [n, e] with n of 2 or more, found {list(x.shape)}, {list(y.shape)}"
        )
    centre, target = x.double().mean(0), y.double().mean(0)
    rows, wanted = x.double() - centre, y.double() - target
    values, directions, along = _decompose(rows, wanted)
    if not len(values):  # all rows are the same
        weight = rows.new_zeros(x.shape[1], y.shape[1])
    else:
        weight = _best(values, directions, along, float(wanted.square().sum()), len(rows), strengths)
    return Affine(weight.to(x.dtype), (target - centre @ weight).to(x.dtype))


def _decompose(rows: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the eigenvalues s ``[r]`` of xᵀx above rounding, its eigenvectors v ``[d, r]``, and vᵀxᵀy ``[r, e]``."""
    wide = rows.shape[1] > rows.shape[0]
    values, vectors = torch.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = values > values[-1].clamp(min=0) * max(rows.shape) * torch.finfo(torch.float64).eps
    values, vectors = values[kept], vectors[:, kept]
    directions = rows.T @ vectors / values.sqrt() if wide else vectors
    return values, directions, directions.T @ (rows.T @ wanted)


def _best(
    values: Tensor, directions: Tensor, along: Tensor, size: float, count: int, strengths: Sequence[float]
) -> Tensor:
    """Return the weight of the smallest error."""
    power = along.square().sum(1)
    errors = []
    for strength in (scales := [share * float(values[-1]) for share in strengths]):
        shrunk = values + strength
        residual = size - float((power * (2 / shrunk - values / shrunk.square())).sum())
        free = count - 1 - float((values / shrunk).sum())
        errors.append(count * max(residual, 0.0) / free**2 if free > 1e-9 * count else float("inf"))
    best = scales[min(range(len(scales)), key=errors.__getitem__)]
    return directions @ (along / (values + best)[:, None])
