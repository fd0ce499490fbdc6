"""Compare two arms that share their seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from d3wrap.errors import DataError

LEVEL = 0.05
FEWEST_FOR_SIGNIFICANCE = 6
"""With n pairs the exact two-sided Wilcoxon test cannot go below 2/2ⁿ, which is above 0.05 for n < 6."""


@dataclass(frozen=True)
class PairedDifference:
    """Enhanced less baseline over seeds, paired; ``None`` where n = 1 says nothing.

    ``low`` and ``high`` bound the 95 % Student-t interval of the mean; ``wins`` counts seeds with a difference above 0;
    ``wilcoxon_p`` is the exact two-sided p of Wilcoxon's signed-rank test; ``effect_size`` is Cohen's d of paired
    samples, mean over standard deviation, ``None`` where that is 0.
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    wins: int
    wilcoxon_p: float
    effect_size: float | None = None


def paired_difference(baseline: Mapping[int, float], enhanced: Mapping[int, float]) -> PairedDifference:
    """Compare values by seed.

    Raises :class:`~d3wrap.errors.DataError` unless both have the same seeds, and at least one.
    """
    if set(baseline) != set(enhanced) or not baseline:
        raise DataError(
            f"seeds do not pair up: baseline has {sorted(baseline)}, enhanced has {sorted(enhanced)}; "
            "run the seeds that are missing"
        )
    differences = np.array([enhanced[seed] - baseline[seed] for seed in sorted(baseline)])
    n, mean = len(differences), float(differences.mean())
    std = sample_std(differences.tolist())
    half = None if std is None else float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return PairedDifference(
        n=n,
        mean=mean,
        std=std,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        wins=int((differences > 0).sum()),
        wilcoxon_p=wilcoxon_p(differences.tolist()),
        effect_size=mean / std if std else None,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for a family of tests by Holm's method (1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    return [float(p) for p in adjusted]


def fewest_for(tests: int) -> int:
    """Return the fewest pairs with which a test can get below 0.05 after Holm's adjustment for so many tests.

    With n pairs each, the smallest p there is, 2/2ⁿ, counts times the number of tests: 6, 7, 7, 8 for 1 to 4 tests.
    """
    return next(n for n in itertools.count(FEWEST_FOR_SIGNIFICANCE) if tests * 2.0 ** (1 - n) < LEVEL)


def lowest_holm(pairs: Sequence[int]) -> list[float]:
    """Return the smallest adjusted p that each test of a family can reach, given its pairs, whatever the numbers."""
    # An adjusted p never falls where a p rises, so all at their smallest give the smallest of each.
    return holm([2.0 ** (1 - n) for n in pairs])


def out_of_reach(pairs: Sequence[int]) -> str:
    """Say of a family of tests, given the pairs of each, that some cannot become significant; empty where all can."""
    if max(lowest_holm(pairs), default=0.0) < LEVEL:
        return ""
    fewest = fewest_for(len(pairs))
    return f"adjusted for {len(pairs)} tests, p cannot fall below {LEVEL:g} with fewer than {fewest} seeds"


def sample_std(values: list[float]) -> float | None:
    """Return the standard deviation with n − 1 in the denominator, or ``None`` for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def wilcoxon_p(differences: list[float]) -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test; zeros are dropped, ties share their mean rank.

    Counts, over all 2ⁿ choices of signs, those whose rank sum is at least as far from its mean.
    """
    nonzero = np.array([d for d in differences if d != 0])
    if not len(nonzero):
        return 1.0
    # Doubled, mean ranks are integers, so the distribution of their signed sums is a product of polynomials.
    doubled = np.rint(2 * stats.rankdata(np.abs(nonzero))).astype(int)
    counts = np.ones(1)
    for rank in doubled:
        counts = np.convolve(counts, np.bincount([0, rank], minlength=rank + 1))
    sums = np.arange(len(counts))
    observed = doubled[nonzero > 0].sum()
    as_far = np.abs(2 * sums - doubled.sum()) >= abs(2 * observed - doubled.sum())
    return float(counts[as_far].sum() / counts.sum())
