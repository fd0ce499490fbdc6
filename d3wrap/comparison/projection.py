"""Features in two dimensions: the plane in which real ones vary most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d3wrap.errors import DataError

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Two orthonormal ``directions [2, d]`` through ``centre [d]``, and the share of variance along each."""

    centre: Matrix
    directions: Matrix
    explained: tuple[float, float]

    def project(self, features: Matrix) -> Matrix:
        """Return the coordinates of ``features [n, d]`` in the plane, ``[n, 2]``."""
        found: Matrix = (features - self.centre) @ self.directions.T
        return found


def principal_plane(real: Matrix) -> Plane:
    """Fit the first two principal components to ``real [n, d]``, n ≥ 3, d ≥ 2.

    Nothing is drawn: each direction's sign is chosen so that its largest entry is positive. Raises
    :class:`~d3wrap.errors.DataError` for too few rows or columns, or where all rows are equal.
    """
    if real.ndim != 2 or real.shape[0] < 3 or real.shape[1] < 2:
        raise DataError(f"a plane needs three rows of two features, found {list(real.shape)}")
    centre = real.mean(0)
    _, lengths, directions = np.linalg.svd(real - centre, full_matrices=False)
    total = float((lengths**2).sum())
    if not total > 0:
        raise DataError("all real features are equal, so there is no plane in which they differ")
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[np.arange(2), largest])[:, None]
    return Plane(centre, directions, (float(lengths[0] ** 2 / total), float(lengths[1] ** 2 / total)))
