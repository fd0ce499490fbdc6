"""Several datasets or generators at once: what a typical one gains, and how likely any gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from d3wrap.errors import DataError

RESAMPLES = 2000

Task = Mapping[int, tuple[float, float]]
"""By seed: what baseline and enhanced reached on one task, i.e. one dataset and generator."""


@dataclass(frozen=True)
class Aggregate:
    """Of several tasks: the interquartile mean of either arm, and P(enhanced > baseline), each with a 95 % interval.

    Intervals are of a bootstrap that draws seeds anew within each task, pairs staying together (stratified; Agarwal et
    al., NeurIPS 2021).
    """

    baseline_iqm: float
    baseline_interval: tuple[float, float]
    enhanced_iqm: float
    enhanced_interval: tuple[float, float]
    improvement: float
    improvement_interval: tuple[float, float]


def interquartile_mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the mean of the middle half, a quarter trimmed from either end."""
    return float(stats.trim_mean(np.asarray(values, dtype=float), 0.25))


def probability_of_improvement(tasks: Sequence[Task]) -> float:
    """Return, averaged over tasks, how often an enhanced run exceeds a baseline run, all pairs counted, ties half."""
    return float(np.mean([_improvement(*_arms(task)) for task in tasks]))


def aggregate(tasks: Sequence[Task], *, seed: int = 0, resamples: int = RESAMPLES) -> Aggregate:
    """Sum up several tasks; raises :class:`~d3wrap.errors.DataError` where there are none, or one has no runs."""
    if not tasks or not all(tasks):
        raise DataError("aggregate: expected at least one task, each with runs")
    arms = [_arms(task) for task in tasks]
    rng = np.random.default_rng(seed)
    draws = np.array([_three([_redrawn(arm, rng) for arm in arms]) for _ in range(resamples)])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    baseline, enhanced, improvement = _three(arms)
    intervals = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return Aggregate(baseline, intervals[0], enhanced, intervals[1], improvement, intervals[2])


Arms = tuple[NDArray[np.float64], NDArray[np.float64]]


def _arms(task: Task) -> Arms:
    pairs = np.array([task[seed] for seed in sorted(task)], dtype=float)
    return pairs[:, 0], pairs[:, 1]


def _redrawn(arms: Arms, rng: np.random.Generator) -> Arms:
    rows = rng.integers(len(arms[0]), size=len(arms[0]))
    return arms[0][rows], arms[1][rows]


def _improvement(baseline: NDArray[np.float64], enhanced: NDArray[np.float64]) -> float:
    difference = enhanced[:, None] - baseline[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def _three(arms: Sequence[Arms]) -> tuple[float, float, float]:
    return (
        interquartile_mean(np.concatenate([arm[0] for arm in arms])),
        interquartile_mean(np.concatenate([arm[1] for arm in arms])),
        float(np.mean([_improvement(*arm) for arm in arms])),
    )
