"""Runs summed up: baseline, enhanced and their difference, for each comparison, classifier and metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from d3wrap.comparison.results import CALIBRATED, DIAGNOSTICS, METRICS, RunResult
from d3wrap.comparison.statistics import PairedDifference, holm, paired_difference, sample_std
from d3wrap.errors import DataError

APART = (
    "dataset", "features", "semantics", "split", "train_fraction", "generator", "preset", "protocol", "dtype",
    "precision",
)  # fmt: skip
"""Fields of a run that both arms and all seeds of one comparison share: where one differs, it is another comparison."""

Key = tuple[Any, ...]
"""The values of :data:`APART`."""


def comparison_key(run: RunResult) -> Key:
    """Return what tells the comparison of a run from others."""
    return tuple(getattr(run, name) for name in APART)


def by_comparison(runs: Iterable[RunResult]) -> dict[Key, list[RunResult]]:
    """Return the runs of each comparison, in the order they come in."""
    groups: dict[Key, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(comparison_key(run), []).append(run)
    return groups


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one classifier over all seeds; fractions, as in the runs.

    ``holm_p`` is Wilcoxon's p adjusted for all comparisons of this metric that are summed up together.
    """

    dataset: str
    features: str
    semantics: str
    split: str
    train_fraction: float
    generator: str
    preset: str
    protocol: str
    classifier: str
    metric: str
    baseline_mean: float
    baseline_std: float | None
    enhanced_mean: float
    enhanced_std: float | None
    difference: PairedDifference
    holm_p: float | None = None


def summarise(runs: Iterable[RunResult]) -> list[SummaryRow]:
    """Sum up runs by comparison (:data:`APART`) and classifier, in the order they come in.

    Raises :class:`~d3wrap.errors.DataError` where a seed occurs twice or the arms do not have the same seeds.
    """
    groups: dict[tuple[Key, str], list[RunResult]] = {}
    for run in runs:
        groups.setdefault((comparison_key(run), run.classifier), []).append(run)
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
                features=runs[0].features,
                semantics=runs[0].semantics,
                split=runs[0].split,
                train_fraction=runs[0].train_fraction,
                generator=runs[0].generator,
                preset=runs[0].preset,
                protocol=runs[0].protocol,
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
    share = "" if run.train_fraction == 1 else f" ({100 * run.train_fraction:g}% of training images)"
    return f"{run.generator} ({run.preset}) on {run.dataset}{share}, classifier {run.classifier}"
