"""An interval over seeds, classes and images: what other trainings, classes and images might have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d3wrap.errors import DataError
from d3wrap.evaluation.curve import harmonic_mean
from d3wrap.evaluation.rows import Outcomes

RESAMPLES = 1000
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class HierarchicalDifference:
    """Mean differences of U, S and H, enhanced less baseline, and their 95 % bootstrap intervals."""

    mean: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]


def hierarchical_difference(
    baseline: Sequence[Outcomes], enhanced: Sequence[Outcomes], *, seed: int = 0, resamples: int = RESAMPLES
) -> HierarchicalDifference:
    """Compare two arms whose runs are paired by place, drawing seeds, classes and images anew.

    A resample draws pairs of runs, then classes of either group, then images of each class, all with replacement; the
    same classes and images for both arms and every run, since the test set is one. Raises
    :class:`~d3wrap.errors.DataError` where the arms do not pair up or were not tested on the same images.
    """
    groups = [_Group.of([*baseline, *enhanced], name) for name in ("unseen", "seen")]
    n = len(baseline)
    if not n or len(enhanced) != n:
        raise DataError(f"arms do not pair up: {n} baseline runs, {len(enhanced)} enhanced ones")
    rng = np.random.default_rng(seed)
    everyone = np.arange(n)
    whole = _differences([group.accuracies(group.even()) for group in groups], everyone, n)
    draws = np.empty((resamples, 3))
    for index in range(resamples):
        chosen = rng.integers(n, size=n)
        draws[index] = _differences([group.accuracies(group.drawn(rng)) for group in groups], chosen, n)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    names = ("U", "S", "H")
    return HierarchicalDifference(*(dict(zip(names, map(float, values), strict=True)) for values in (whole, low, high)))


@dataclass(frozen=True)
class _Group:
    """Images of one group: ``right [runs, images]``, and the places of each class's images."""

    right: NDArray[np.float64]
    classes: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, runs: Sequence[Outcomes], name: str) -> _Group:
        labels = [getattr(run, f"{name}_labels") for run in runs]
        if any(not np.array_equal(labels[0], other) for other in labels[1:]):
            raise DataError(f"runs were tested on different {name} images and cannot be compared image by image")
        right = np.stack([getattr(run, f"{name}_right") for run in runs]).astype(float)
        return cls(right, [np.flatnonzero(labels[0] == c) for c in np.unique(labels[0])])

    def even(self) -> Weights:
        """Return the weights with which images make the mean per-class accuracy."""
        weights = np.zeros(self.right.shape[1])
        for rows in self.classes:
            weights[rows] = 1.0 / (len(rows) * len(self.classes))
        return weights

    def drawn(self, rng: np.random.Generator) -> Weights:
        """Return the weights of classes and images drawn with replacement."""
        weights = np.zeros(self.right.shape[1])
        count = len(self.classes)
        for place in rng.integers(count, size=count):
            rows = self.classes[place]
            weights[rows] += np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows)) / (
                len(rows) * count
            )
        return weights

    def accuracies(self, weights: Weights) -> NDArray[np.float64]:
        """Return the accuracy of each run, ``[runs]``."""
        return self.right @ weights


def _differences(
    accuracies: Sequence[NDArray[np.float64]], chosen: NDArray[np.int64], n: int
) -> tuple[float, float, float]:
    """Return the mean differences of U, S and H over the chosen pairs of runs."""
    unseen, seen = accuracies
    harmonic = np.array([harmonic_mean(float(u), float(s)) for u, s in zip(unseen, seen, strict=True)])
    u, s, h = (float(np.mean(one[n:][chosen] - one[:n][chosen])) for one in (unseen, seen, harmonic))
    return u, s, h
