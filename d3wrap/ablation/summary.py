"""An ablation summed up: each variant's means, and its change against the baseline and against all of D³."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from d3wrap.ablation.variants import BASELINE, FULL
from d3wrap.comparison.results import CALIBRATED, DIAGNOSTICS, METRICS, RunResult
from d3wrap.comparison.statistics import PairedDifference, holm, paired_difference, sample_std

Runs = Mapping[str, Sequence[RunResult]]
"""The results of each variant, by its name."""


@dataclass(frozen=True)
class AblationRow:
    """One metric of one classifier in one variant, over its seeds; fractions, as in the runs.

    The changes are this variant less the reference, paired by the seeds that both have; ``None`` for the reference
    itself, and where they share no seed. Holm's p is adjusted for all variants of the same classifier and metric.
    """

    variant: str
    classifier: str
    metric: str
    seeds: int
    mean: float
    std: float | None
    against_baseline: PairedDifference | None
    baseline_holm_p: float | None
    against_full: PairedDifference | None
    full_holm_p: float | None


def sum_up(runs: Runs) -> list[AblationRow]:
    """Sum up variants by classifier and metric; the rows of a classifier and metric stand together."""
    classifiers = dict.fromkeys(run.classifier for own in runs.values() for run in own)
    everything = [run for own in runs.values() for run in own]
    optional = [name for name in DIAGNOSTICS + CALIBRATED if all(getattr(run, name) is not None for run in everything)]
    return [
        row
        for classifier in classifiers
        for metric in (*METRICS, *optional)
        for row in _family({name: _values(own, classifier, metric) for name, own in runs.items()}, classifier, metric)
    ]


def _values(runs: Sequence[RunResult], classifier: str, metric: str) -> dict[int, float]:
    return {run.seed: float(getattr(run, metric)) for run in runs if run.classifier == classifier}


def _family(values: Mapping[str, Mapping[int, float]], classifier: str, metric: str) -> list[AblationRow]:
    rows = [
        AblationRow(
            variant=name,
            classifier=classifier,
            metric=metric,
            seeds=len(own),
            mean=float(np.mean(list(own.values()))),
            std=sample_std(list(own.values())),
            against_baseline=_change(own, values.get(BASELINE, {})) if name != BASELINE else None,
            baseline_holm_p=None,
            against_full=_change(own, values.get(FULL, {})) if name not in (BASELINE, FULL) else None,
            full_holm_p=None,
        )
        for name, own in values.items()
        if own
    ]
    p_values = _adjusted(rows, lambda row: row.against_baseline), _adjusted(rows, lambda row: row.against_full)
    return [
        replace(row, baseline_holm_p=p_values[0].get(row.variant), full_holm_p=p_values[1].get(row.variant))
        for row in rows
    ]


def _change(own: Mapping[int, float], reference: Mapping[int, float]) -> PairedDifference | None:
    shared = sorted(set(own) & set(reference))
    if not shared:
        return None
    return paired_difference({seed: reference[seed] for seed in shared}, {seed: own[seed] for seed in shared})


def _adjusted(
    rows: Sequence[AblationRow], change: Callable[[AblationRow], PairedDifference | None]
) -> dict[str, float]:
    tested = {row.variant: found.wilcoxon_p for row in rows if (found := change(row)) is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))
