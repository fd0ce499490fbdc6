"""The seen–unseen accuracy curve and the exact area under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from d3wrap.evaluation.rows import ScoredRows


def harmonic_mean(first: float, second: float) -> float:
    """Return 2ab / (a + b), and 0 where both are 0."""
    total = first + second
    return 2.0 * first * second / total if total > 0 else 0.0


@dataclass(frozen=True)
class Curve:
    """Accuracies when γ is subtracted from every seen score (calibrated stacking; Chao et al., ECCV 2016).

    U and S are step functions of γ. ``thresholds [m]`` are the values of γ where either steps, ascending;
    ``unseen[i]`` and ``seen[i]``, both ``[m + 1]``, are U and S between thresholds i − 1 and i. The curve runs from
    (0, S_max), γ → −∞, to (T1, 0), γ → +∞.
    """

    thresholds: NDArray[np.float64]
    unseen: NDArray[np.float64]
    seen: NDArray[np.float64]

    @property
    def area(self) -> float:
        """AUSUC: area under the polyline of all (U, S), by trapezoids; 0 to 1."""
        return float(np.sum(np.diff(self.unseen) * (self.seen[1:] + self.seen[:-1]) / 2.0))

    def at(self, gamma: float) -> tuple[float, float, float]:
        """Return (U, S, H) at ``gamma``; a row tied between seen and unseen there counts as wrong."""
        unseen = float(self.unseen[np.searchsorted(self.thresholds, gamma, side="left")])
        seen = float(self.seen[np.searchsorted(self.thresholds, gamma, side="right")])
        return unseen, seen, harmonic_mean(unseen, seen)

    def best_gamma(self) -> float:
        """Return a γ of the highest H; see :func:`best_gamma`."""
        return best_gamma([self])

    def harmonic(self, gammas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return H at each of ``gammas [g]``, in their order."""
        unseen = self.unseen[np.searchsorted(self.thresholds, gammas, side="left")]
        seen = self.seen[np.searchsorted(self.thresholds, gammas, side="right")]
        total = unseen + seen
        return 2.0 * unseen * seen / np.where(total > 0, total, 1.0)


def best_gamma(curves: Sequence[Curve]) -> float:
    """Return a γ of the highest H, the mean over ``curves``: the middle of its step (0 where no γ changes anything).

    Exact: all steps of all curves are tried. Choose it on validation rows only; on test rows it is selection on the
    test set.
    """
    thresholds = np.unique(np.concatenate([curve.thresholds for curve in curves]))
    if not len(thresholds):
        return 0.0
    between = (thresholds[1:] + thresholds[:-1]) / 2.0
    gammas = np.concatenate([thresholds[:1] - 1.0, between, thresholds[-1:] + 1.0])
    return float(gammas[np.argmax(sum(curve.harmonic(gammas) for curve in curves))])


def seen_unseen_curve(seen: ScoredRows, unseen: ScoredRows) -> Curve:
    """Return the curve of test rows: exact, by sorting margins, with no grid over γ.

    A row that is no hit within its group is wrong at every γ. An unseen hit is right for γ above its margin, a
    seen hit for γ below its own, so each hit moves one accuracy by its weight, at its margin.
    """
    margins = np.concatenate([seen.margins[seen.hits], unseen.margins[unseen.hits]])
    loss, gain = seen.weights()[seen.hits], unseen.weights()[unseen.hits]
    thresholds, step = np.unique(margins, return_inverse=True)
    loss_at = np.bincount(step[: len(loss)], loss, minlength=len(thresholds))
    gain_at = np.bincount(step[len(loss) :], gain, minlength=len(thresholds))
    # S is summed from its end, so that both curves are exactly 0 where they should be.
    accuracy_seen = np.append(np.cumsum(loss_at[::-1])[::-1], 0.0)
    accuracy_unseen = np.insert(np.cumsum(gain_at), 0, 0.0)
    return Curve(thresholds, np.minimum(accuracy_unseen, 1.0), np.minimum(accuracy_seen, 1.0))
