"""What the numbers say, in a sentence, and no more than they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from d3wrap.comparison.aggregate import aggregate
from d3wrap.comparison.statistics import LEVEL, PairedDifference, fewest_for, holm, lowest_holm
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.numbers import interval, p_value, percent, seeds, signed

METRIC = "H"
"""What the verdict is about."""
Kind = Literal["rise", "fall", "none"]


class Verdict(NamedTuple):
    """A sentence or the end of one, and whether it tells of a reliable rise, a reliable fall or neither."""

    sentence: str
    kind: Kind


def verdicts(comparisons: Sequence[Comparison]) -> list[Verdict]:
    """Say of each comparison how D³ changed H of the headline classifier, over seeds.

    These are the differences named beforehand; of several, p is adjusted by Holm's method. A change is called reliable
    only where the 95 % interval leaves out 0 and the exact Wilcoxon test agrees, which it can from six seeds on, and
    beside other comparisons from more (:func:`~d3wrap.comparison.statistics.fewest_for`).
    """
    found = [comparison.row(comparison.headline, METRIC).difference for comparison in comparisons]
    adjusted = holm([difference.wilcoxon_p for difference in found])
    lowest = lowest_holm([difference.n for difference in found])
    return [_verdict(*one, len(found)) for one in zip(comparisons, found, adjusted, lowest, strict=True)]


def _verdict(comparison: Comparison, difference: PairedDifference, p: float, lowest: float, family: int) -> Verdict:
    judged, kind = judge(difference, p, family, lowest)
    limits = interval(difference)
    basis = f"95 % interval {limits}, {seeds(difference.n)}" if limits else seeds(difference.n)
    chosen = ""
    if any(run.test_used_for_selection for run in comparison.runs):
        chosen = "; both arms were chosen on the test set, so their values are too high"
    name = f"{METRIC} of the {comparison.headline} classifier ({comparison.title})"
    return Verdict(f"D³ changed {name} by {signed(difference.mean)} points ({basis}): {judged}{chosen}.", kind)


def judge(difference: PairedDifference, p: float, family: int = 1, lowest: float | None = None) -> Verdict:
    """Say whether a paired difference is a reliable rise, a reliable fall or neither, and why.

    ``p`` is that of the exact test, adjusted for ``family`` tests; ``lowest`` the smallest it could have been with so
    many seeds, by default that of a single test.
    """
    n, mean, low, high = difference.n, difference.mean, difference.low, difference.high
    if low is None or high is None:
        return Verdict("one seed cannot show a reliable difference", "none")
    if mean == low == high == 0:
        return Verdict("no difference at all", "none")
    outside, agreed = low > 0 or high < 0, p < LEVEL
    test = f"exact Wilcoxon p {p_value(p)}"
    test += f" after Holm's adjustment for {family} comparisons" if family > 1 else ""
    if (2.0 ** (1 - n) if lowest is None else lowest) >= LEVEL:
        found = "the interval leaves out 0, but" if outside else "no reliable difference, and"
        said = f" ({test})" if family > 1 else ""
        return Verdict(f"{found} with fewer than {fewest_for(family)} seeds it cannot be significant{said}", "none")
    if outside and agreed:
        return Verdict(f"a reliable {'rise' if mean > 0 else 'fall'} ({test})", "rise" if mean > 0 else "fall")
    if outside:
        return Verdict(f"the interval leaves out 0, but the exact test does not confirm it ({test})", "none")
    if agreed:
        return Verdict(f"not reliable, as the interval includes 0, although the exact test disagrees ({test})", "none")
    return Verdict("no reliable difference", "none")


def overall(comparisons: Sequence[Comparison]) -> str:
    """Sum up the verdicts of several comparisons in one sentence."""
    kinds = [one.kind for one in verdicts(comparisons)]
    return (
        f"Of {len(kinds)} comparisons, {METRIC} rose reliably in {kinds.count('rise')}, fell reliably in "
        f"{kinds.count('fall')}, and changed in no reliable way in {kinds.count('none')}."
    )


def together(comparisons: Sequence[Comparison]) -> str:
    """Say what a typical comparison of several gains, and how likely a run with D³ exceeds one without."""
    tasks = []
    for comparison in comparisons:
        baseline, enhanced = (comparison.by_seed(arm, comparison.headline) for arm in ARMS)
        tasks.append({seed: (getattr(run, METRIC), getattr(enhanced[seed], METRIC)) for seed, run in baseline.items()})
    found = aggregate(tasks)
    arms = [(found.baseline_iqm, found.baseline_interval), (found.enhanced_iqm, found.enhanced_interval)]
    before, after = (f"{percent(mean)} ({percent(low)} to {percent(high)})" for mean, (low, high) in arms)
    low, high = found.improvement_interval
    return (
        f"Over all of them, the interquartile mean of {METRIC} is {before} without D³ and {after} with it, and a run "
        f"with D³ exceeds one without with probability {found.improvement:.2f} ({low:.2f} to {high:.2f}; stratified "
        "bootstrap of seeds, 95 %)."
    )
