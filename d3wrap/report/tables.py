"""The table of a comparison, once, for every form it is written in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE
from d3wrap.comparison.summary import SummaryRow
from d3wrap.report.collect import Comparison
from d3wrap.report.numbers import LOWER_IS_BETTER, MEANINGS, NAMES, interval, p_value, signed, spread
from d3wrap.report.svg import MINUS
from d3wrap.report.verdict import judge

CSV_COLUMNS = (
    "source", "dataset", "generator", "preset", "train_fraction", "protocol", "test_used_for_selection", "classifier",
    "metric", "seeds", "baseline_mean", "baseline_std", "enhanced_mean", "enhanced_std", "difference", "low", "high",
    "wins", "effect_size", "wilcoxon_p", "holm_p",
)  # fmt: skip


class Line(NamedTuple):
    """One metric of one classifier, in words; ``p`` and ``holm`` are empty below six seeds."""

    classifier: str
    metric: str
    meaning: str
    baseline: str
    enhanced: str
    change: str
    interval: str
    seeds_up: str
    effect: str
    p: str
    holm: str
    tendency: str
    """``gain`` or ``drop`` where the difference is reliable, by what is better for this metric; else empty."""
    row: SummaryRow


def lines(comparison: Comparison) -> list[Line]:
    """Return the table of a comparison, in percent and percent points."""
    return [_line(row) for row in comparison.summary]


def _line(row: SummaryRow) -> Line:
    difference, holm = row.difference, row.holm_p if row.holm_p is not None else row.difference.wilcoxon_p
    kind, tested = judge(difference, holm).kind, difference.n >= FEWEST_FOR_SIGNIFICANCE
    better = {"rise": "gain", "fall": "drop", "none": ""}
    worse = {"rise": "drop", "fall": "gain", "none": ""}
    return Line(
        classifier=row.classifier,
        metric=NAMES.get(row.metric, row.metric),
        meaning=MEANINGS.get(row.metric, ""),
        baseline=spread(row.baseline_mean, row.baseline_std),
        enhanced=spread(row.enhanced_mean, row.enhanced_std),
        change=signed(difference.mean),
        interval=interval(difference),
        seeds_up=f"{difference.wins}/{difference.n}",
        effect="" if difference.effect_size is None else _effect(difference.effect_size),
        p=p_value(difference.wilcoxon_p).removeprefix("= ") if tested else "",
        holm=p_value(holm).removeprefix("= ") if tested else "",
        tendency=(worse if row.metric in LOWER_IS_BETTER else better)[kind],
        row=row,
    )


def _effect(size: float) -> str:
    text = f"{abs(size):.2f}"
    return text if not float(text) else f"{'+' if size > 0 else MINUS}{text}"


def csv_table(comparisons: Sequence[Comparison]) -> str:
    """Return the tables as CSV: fractions unrounded, an empty cell for what a single seed does not give.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_csv_rows(comparisons))
    return stream.getvalue()


def _csv_rows(comparisons: Sequence[Comparison]) -> Iterator[list[object]]:
    for comparison in comparisons:
        first = comparison.first
        for row in comparison.summary:
            found = row.difference
            values = (
                f"{comparison.source}", row.dataset, row.generator, row.preset, first.train_fraction, first.protocol,
                first.test_used_for_selection, row.classifier, row.metric, found.n, row.baseline_mean, row.baseline_std,
                row.enhanced_mean, row.enhanced_std, found.mean, found.low, found.high, found.wins, found.effect_size,
                found.wilcoxon_p, row.holm_p,
            )  # fmt: skip
            yield [_no_formula(value) if isinstance(value, str) else value for value in values]


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
