"""Several comparisons at a glance: one line each, and what they come to together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from d3wrap.comparison.aggregate import Aggregate, Task, aggregate
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.summary import APART, SummaryRow, by_comparison, comparison_key, summarise

METRIC = "H"
"""What a comparison is judged by."""
BESIDE = "AUSUC"
"""What stands beside it: no shift of the balance between seen and unseen classes changes it."""


@dataclass(frozen=True)
class OverviewLine:
    """One comparison: the values that vary, by field, and H and AUSUC of its headline classifier.

    ``holm_p`` of ``judged`` is adjusted for the comparisons of the overview, as these are the differences named
    beforehand.
    """

    varying: dict[str, Any]
    classifier: str
    judged: SummaryRow
    beside: SummaryRow


@dataclass(frozen=True)
class Together:
    """What several comparisons come to, of one generator or of all (``generator`` empty)."""

    generator: str
    comparisons: int
    found: Aggregate


def headline(runs: Iterable[RunResult]) -> str:
    """Return the classifier that runs are judged by: softmax, else the first that was measured."""
    classifiers = list(dict.fromkeys(run.classifier for run in runs))
    return "softmax" if "softmax" in classifiers else classifiers[0]


def varying(runs: Iterable[RunResult]) -> list[str]:
    """Return the fields by which to tell the comparisons of ``runs`` apart, in the order of the fields.

    The generator always, dataset and training share where they vary, another only where these leave two alike.
    """
    kept = [dict(zip(APART, key, strict=True)) for key in by_comparison(runs)]
    names = {name for name in ("dataset", "train_fraction") if len({key[name] for key in kept}) > 1} | {"generator"}
    for name in APART:
        values: dict[tuple[Any, ...], set[Any]] = {}
        for key in kept:
            values.setdefault(tuple(key[one] for one in APART if one in names), set()).add(key[name])
        if max(map(len, values.values())) > 1:
            names.add(name)
    return [name for name in APART if name in names]


def overview(runs: Sequence[RunResult]) -> list[OverviewLine]:
    """Return a line for each comparison, in the order they come in."""
    names, groups = varying(runs), by_comparison(runs)
    classifiers = {key: headline(own) for key, own in groups.items()}
    own = [run for run in runs if run.classifier == classifiers[comparison_key(run)]]
    rows = summarise(own)  # of headline classifiers alone, so that Holm's family is theirs
    judged, beside = ([row for row in rows if row.metric == metric] for metric in (METRIC, BESIDE))
    return [
        OverviewLine({name: getattr(runs_of[0], name) for name in names}, classifiers[key], row, other)
        for (key, runs_of), row, other in zip(groups.items(), judged, beside, strict=True)
    ]


def task_of(runs: Sequence[RunResult], metric: str = METRIC) -> Task:
    """Return what baseline and enhanced reached by seed, of the headline classifier of one comparison."""
    classifier = headline(runs)
    arms = {
        arm: {run.seed: float(getattr(run, metric)) for run in runs if (run.arm, run.classifier) == (arm, classifier)}
        for arm in ("baseline", "enhanced")
    }
    return {seed: (value, arms["enhanced"][seed]) for seed, value in arms["baseline"].items()}


def together(runs: Sequence[RunResult]) -> list[Together]:
    """Sum up, over datasets and training shares, the comparisons of each generator, and those of all generators.

    Empty where no generator has more than one comparison.
    """
    groups: dict[str, list[Task]] = {}
    for own in by_comparison(runs).values():
        groups.setdefault(own[0].generator, []).append(task_of(own))
    if max(map(len, groups.values()), default=0) < 2:
        return []
    found = [Together(name, len(tasks), aggregate(tasks)) for name, tasks in groups.items() if len(tasks) > 1]
    everything = [task for tasks in groups.values() for task in tasks]
    return [*found, Together("", len(everything), aggregate(everything))] if len(groups) > 1 else found
