"""What stands beside the verdict: what its number leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from d3wrap.comparison.hierarchical import hierarchical_difference
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import out_of_reach, paired_difference
from d3wrap.errors import DataError
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.numbers import interval, percent, seeds, signed
from d3wrap.report.verdict import METRIC, judge

ENOUGH_FOR_BOOTSTRAP = 10
"""Seeds from which the interval of a bootstrap is about as wide as it says."""


def remarks(comparison: Comparison) -> list[str]:
    """Return what is said beside the verdict, in the order it is read."""
    found = (beyond_seeds, budgets, other_steps, calibrated, unmoved)
    return [said for remark in found if (said := remark(comparison))]


def calibrated(comparison: Comparison) -> str:
    """Say what is left of the change where both arms are calibrated; empty where no γ was chosen."""
    row = comparison.find(comparison.headline, f"{METRIC}_gamma")
    if row is None:
        return ""
    found = row.difference
    limits = f" (95 % interval {interval(found)})" if found.low is not None else ""
    return (
        f"With each arm calibrated by the γ of its validation worlds, {METRIC} is {percent(row.baseline_mean)} without "
        f"D³ and {percent(row.enhanced_mean)} with it, a change of {signed(found.mean)} points{limits}: "
        f"{judge(found, found.wilcoxon_p).sentence}."
    )


def unmoved(comparison: Comparison) -> str:
    """Say what the headline number leaves open: whether the model is better, or only its bias moved."""
    row = comparison.row(comparison.headline, "AUSUC").difference
    limits = f" (95 % interval {interval(row)})" if row.low is not None else ""
    return (
        "H also moves when only the balance between seen and unseen classes does. AUSUC, which no such shift changes, "
        f"changed by {signed(row.mean)} points{limits}: {judge(row, row.wilcoxon_p).sentence}."
    )


def beyond_seeds(comparison: Comparison) -> str:
    """Say how far the headline change would move with other classes and images; empty where no run kept what it takes.

    The interval of the verdict is over seeds alone: all of them are tested on the same images.
    """
    kept = [comparison.artefacts(arm) for arm in ARMS]
    arms = [
        [
            own[seed].outcomes[comparison.headline]
            for seed in comparison.seeds
            if comparison.headline in own[seed].outcomes
        ]
        for own in kept
        if set(comparison.seeds) <= set(own)
    ]
    if any(run.test_used_for_selection for run in comparison.runs):
        return ""  # outcomes are of the last step, the verdict is about another
    if len(comparison.seeds) < 2 or [len(arm) for arm in arms] != [len(comparison.seeds)] * 2:
        return ""
    try:
        found = hierarchical_difference(*arms)
    except DataError:
        return ""  # tested on different images: there is nothing to draw anew for both
    low, high = found.low[METRIC], found.high[METRIC]
    narrow = ", which is too narrow with so few seeds" if len(comparison.seeds) < ENOUGH_FOR_BOOTSTRAP else ""
    return (
        f"That interval is over seeds alone. A bootstrap{narrow}, that draws classes and test images anew as well, "
        f"gives the change of {METRIC} the 95 % interval {signed(low)} to {signed(high)} points."
    )


def budgets(comparison: Comparison) -> str:
    """Say where the arms were trained for different numbers of steps; empty where they were not."""
    baseline, enhanced = (comparison.by_seed(arm, comparison.headline) for arm in ARMS)
    differ = [seed for seed, run in baseline.items() if run.steps != enhanced[seed].steps]
    if not differ:
        return ""
    without, with_d3 = (sum(run.steps for run in arm.values()) / len(arm) for arm in (baseline, enhanced))
    return (
        f"In {len(differ)} of {seeds(len(baseline))} the steps chosen for the two arms differ ({without:.0f} on "
        f"average without D³, {with_d3:.0f} with it): the change is that of D³ and of this choice together."
    )


def other_steps(comparison: Comparison) -> str:
    """Say what the change is by other rules for the step: the last one where it was chosen, and the last five."""
    arms = [comparison.by_seed(arm, comparison.headline) for arm in ARMS]
    said = []
    last = [_stored(arm, "last_step") for arm in arms]
    if all(len(found) == len(comparison.seeds) for found in last):
        without, with_d3 = (
            signed(sum(getattr(arm[seed], METRIC) - value for seed, value in found.items()) / len(found))
            for arm, found in zip(arms, last, strict=True)
        )
        said.append(
            f"Choosing the step on the test set put {METRIC} {without} points above the last step without D³, and "
            f"{with_d3} with it; at the last step D³ changed {METRIC} by {_changed(*last)}."
        )
    five = [_stored(arm, "last5") for arm in arms]
    if all(len(found) == len(comparison.seeds) for found in five):
        said.append(
            "Averaged over the last five log points of each run (fewer where it has fewer), the change is "
            f"{_changed(*five)}."
        )
    return " ".join(said)


def _stored(runs: Mapping[int, RunResult], name: str) -> dict[int, float]:
    found = {seed: getattr(run, name) or {} for seed, run in runs.items()}
    return {seed: values[METRIC] for seed, values in found.items() if METRIC in values}


def _changed(baseline: Mapping[int, float], enhanced: Mapping[int, float]) -> str:
    found = paired_difference(baseline, enhanced)
    return f"{signed(found.mean)} points" + (f" ({interval(found)})" if found.low is not None else "")


def beyond_reach(comparisons: Sequence[Comparison]) -> str:
    """Say that Holm's p of the tables' rows cannot fall below 0.05 with so few seeds; empty where each of them can."""
    families: dict[str, list[int]] = {}
    for comparison in comparisons:
        for row in comparison.summary:
            families.setdefault(row.metric, []).append(row.difference.n)
    said = next(filter(None, map(out_of_reach, sorted(families.values(), key=len, reverse=True))), "")
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def multiplicity(comparisons: Sequence[Comparison]) -> str:
    """Warn of reading many differences as if each were the only one; empty where no interval leaves out 0."""
    rows = [row.difference for comparison in comparisons for row in comparison.summary]
    outside = sum(row.low is not None and row.high is not None and (row.low > 0 or row.high < 0) for row in rows)
    if len(rows) < 2 or not outside:
        return ""
    return (
        f"The tables hold {len(rows)} differences; the intervals of {outside} of them leave out 0, where chance alone "
        f"would give about {0.05 * len(rows):.0f}. Only the verdict's was named beforehand, and intervals are not "
        "corrected for their number."
    )
