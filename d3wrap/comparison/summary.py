"""Runs summed up: baseline, enhanced and their difference, for each generator, classifier and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from d3wrap.comparison.results import CALIBRATED, DIAGNOSTICS, METRICS, RunResult
from d3wrap.comparison.statistics import PairedDifference, holm, paired_difference, sample_std
from d3wrap.errors import DataError


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one classifier over all seeds; fractions, as in the runs.

    ``holm_p`` is Wilcoxon's p adjusted for all comparisons of this metric that are summed up together.
    """

    dataset: str
    generator: str
    preset: str
    classifier: str
    metric: str
    baseline_mean: float
    baseline_std: float | None
    enhanced_mean: float
    enhanced_std: float | None
    difference: PairedDifference
    holm_p: float | None = None


def summarise(runs: Iterable[RunResult]) -> list[SummaryRow]:
    """Sum up runs by dataset, generator, preset and classifier, in the order they come in.

    Raises :class:`~d3wrap.errors.DataError` where a seed occurs twice or the arms do not have the same seeds.
    """
    groups: dict[tuple[str, str, str, str], list[RunResult]] = {}
    for run in runs:
        groups.setdefault((run.dataset, run.generator, run.preset, run.classifier), []).append(run)
    return _adjusted([row for group in groups.values() for row in _of_group(group)])


def _adjusted(rows: Sequence[SummaryRow]) -> list[SummaryRow]:
    """Return rows with p adjusted within each metric's family."""
    families: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        families.setdefault(row.metric, []).append(index)
    adjusted = list(rows)
    for family in families.values():
        for index, p in zip(family, holm([rows[i].difference.wilcoxon_p for i in family]), strict=True):
            adjusted[index] = replace(rows[index], holm_p=p)
    return adjusted


def _of_group(runs: Sequence[RunResult]) -> list[SummaryRow]:
    baseline, enhanced = _by_seed(runs, "baseline"), _by_seed(runs, "enhanced")
    optional = [name for name in DIAGNOSTICS + CALIBRATED if all(getattr(run, name) is not None for run in runs)]
    rows = []
    for metric in (*METRICS, *optional):
        before = {seed: float(getattr(run, metric)) for seed, run in baseline.items()}
        after = {seed: float(getattr(run, metric)) for seed, run in enhanced.items()}
        try:
            difference = paired_difference(before, after)
        except DataError as error:
            raise DataError(f"{_name(runs[0])}: {error}") from error
        rows.append(
            SummaryRow(
                dataset=runs[0].dataset,
                generator=runs[0].generator,
                preset=runs[0].preset,
                classifier=runs[0].classifier,
                metric=metric,
                baseline_mean=float(np.mean(list(before.values()))),
                baseline_std=sample_std(list(before.values())),
                enhanced_mean=float(np.mean(list(after.values()))),
                enhanced_std=sample_std(list(after.values())),
                difference=difference,
            )
        )
    return rows


def _by_seed(runs: Sequence[RunResult], arm: str) -> dict[int, RunResult]:
    chosen: dict[int, RunResult] = {}
    for run in runs:
        if run.arm == arm:
            if run.seed in chosen:
                raise DataError(f"{_name(run)}: seed {run.seed} occurs twice in the {arm} arm")
            chosen[run.seed] = run
    return chosen


def _name(run: RunResult) -> str:
    return f"{run.generator} ({run.preset}) on {run.dataset}, classifier {run.classifier}"
