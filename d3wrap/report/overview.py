"""Several comparisons on one page: a line each, what they come to by generator, and H over the training share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from d3wrap.comparison.aggregate import Aggregate
from d3wrap.comparison.overview import together as by_generator
from d3wrap.comparison.overview import varying
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE, holm, out_of_reach
from d3wrap.comparison.summary import APART, SummaryRow, by_comparison
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.figure import WIDTH, Figure, arm_css
from d3wrap.report.numbers import interval, p_value, percent, signed, spread
from d3wrap.report.svg import Plot, span
from d3wrap.report.verdict import METRIC, verdicts

SHARE = "train_fraction"
NAMES = {SHARE: "images"}
"""Of a column whose field has another name."""


class OverviewLine(NamedTuple):
    """One comparison in the overview; ``cells`` are the values that tell it from others, in words."""

    number: int
    """Place of the comparison on the page, from 1."""
    cells: tuple[str, ...]
    order: tuple[Any, ...]
    """What the cells are sorted by."""
    baseline: str
    enhanced: str
    change: str
    interval: str
    seeds_up: str
    holm: str
    beside: str
    kind: str
    row: SummaryRow
    adjusted: float


class Overview(NamedTuple):
    """What stands above several comparisons."""

    names: Sequence[str]
    """Headings of the columns that tell comparisons apart."""
    lines: Sequence[OverviewLine]
    choices: Sequence[Sequence[str]]
    """Values of each of these columns, to filter by; empty where there is but one."""
    by_generator: Sequence[str]
    shares: Sequence[Figure]
    metric: str
    tested: bool
    note: str
    """What Holm's p is of, and whether it can be below 0.05; empty where no test is made."""


def overview(comparisons: Sequence[Comparison]) -> Overview:
    """Gather the overview of several comparisons.

    p is adjusted by Holm's method for these differences alone, as in the verdicts.
    """
    fields = varying([run for one in comparisons for run in one.runs])
    sources = len({one.source for one in comparisons}) > 1
    names = [NAMES.get(name, name) for name in fields] + (["folder"] if sources else [])
    rows = [one.row(one.headline, METRIC) for one in comparisons]
    adjusted = holm([row.difference.wilcoxon_p for row in rows])
    kinds = [judged.kind for judged in verdicts(comparisons)]
    lines = []
    for number, (one, row, p, kind) in enumerate(zip(comparisons, rows, adjusted, kinds, strict=True), 1):
        values = [getattr(one.first, name) for name in fields]
        beside, tested = one.row(one.headline, "AUSUC").difference, row.difference.n >= FEWEST_FOR_SIGNIFICANCE
        own = (f"{one.source}",) if sources else ()
        lines.append(
            OverviewLine(
                number=number,
                cells=(*(_words(name, value) for name, value in zip(fields, values, strict=True)), *own),
                order=(*values, *own),
                baseline=spread(row.baseline_mean, row.baseline_std),
                enhanced=spread(row.enhanced_mean, row.enhanced_std),
                change=signed(row.difference.mean),
                interval=interval(row.difference),
                seeds_up=f"{row.difference.wins}/{row.difference.n}",
                holm=p_value(p).removeprefix("= ") if tested else "",
                beside=signed(beside.mean),
                kind={"rise": "gain", "fall": "drop", "none": ""}[kind],
                row=row,
                adjusted=p,
            )
        )
    columns = [list(dict.fromkeys(line.cells[place] for line in lines)) for place in range(len(names))]
    return Overview(
        names=names,
        lines=lines,
        choices=[column if len(column) > 1 else [] for column in columns],
        by_generator=_by_generator(comparisons),
        shares=_shares(comparisons),
        metric=METRIC,
        tested=any(line.holm for line in lines),
        note=_tested_note(lines),
    )


def _tested_note(lines: Sequence[OverviewLine]) -> str:
    if not any(line.holm for line in lines):
        return ""
    beyond = out_of_reach([line.row.difference.n for line in lines])
    said = f"Holm: exact Wilcoxon p, adjusted for these {len(lines)} comparisons."
    return f"{said} {beyond[0].upper()}{beyond[1:]}." if beyond else said


def _words(name: str, value: Any) -> str:
    return f"{100 * value:g} %" if name == SHARE else f"{value}"


def _by_generator(comparisons: Sequence[Comparison]) -> list[str]:
    """Say what each generator's comparisons come to, where they are of one folder and there are several generators."""
    if len({one.source for one in comparisons}) > 1:
        return []
    runs = [run for one in comparisons for run in one.runs]
    return [
        f"{one.generator}, over {one.comparisons} comparisons: {in_words(one.found)}."
        for one in by_generator(runs)
        if one.generator and len({run.generator for run in runs}) > 1
    ]


def in_words(found: Aggregate) -> str:
    """Return interquartile means of both arms and the probability of improvement, each with its interval."""
    arms = [(found.baseline_iqm, found.baseline_interval), (found.enhanced_iqm, found.enhanced_interval)]
    before, after = (f"{percent(mean)} ({percent(low)} to {percent(high)})" for mean, (low, high) in arms)
    low, high = found.improvement_interval
    return (
        f"interquartile mean of {METRIC} {before} without D³ and {after} with it, probability of improvement "
        f"{found.improvement:.2f} ({low:.2f} to {high:.2f})"
    )


def _shares(comparisons: Sequence[Comparison]) -> list[Figure]:
    """Draw H of both arms over the training share, for comparisons that differ in nothing else."""
    groups: dict[tuple[Any, ...], list[Comparison]] = {}
    for one in comparisons:
        key = next(iter(by_comparison(one.runs)))
        rest = tuple(value for name, value in zip(APART, key, strict=True) if name != SHARE)
        groups.setdefault((one.source, one.headline, *rest), []).append(one)
    return [
        _over_shares(sorted(own, key=lambda one: one.first.train_fraction))
        for own in groups.values()
        if len({one.first.train_fraction for one in own}) > 1
    ]


def _over_shares(own: Sequence[Comparison]) -> Figure:
    shares = [100 * one.first.train_fraction for one in own]
    rows = [one.row(one.headline, METRIC) for one in own]
    arms = {
        "baseline": [(row.baseline_mean, row.baseline_std or 0.0) for row in rows],
        "enhanced": [(row.enhanced_mean, row.enhanced_std or 0.0) for row in rows],
    }
    ends = [end for values in arms.values() for mean, std in values for end in _whisker(mean, std)]
    plot = Plot(WIDTH, 240, (0, 104), span(ends), left=44)
    plot.x_axis("training images, % of each seen class's", grid=False)
    plot.y_axis(f"{METRIC}, %")
    said = []
    for arm in ARMS:
        shift = -0.7 if arm == "baseline" else 0.7  # side by side, so that neither hides the other
        points = [(share + shift, 100 * mean) for share, (mean, _) in zip(shares, arms[arm], strict=True)]
        plot.line(points, arm_css(arm, "curve mean"))
        for (x, y), share, (mean, std) in zip(points, shares, arms[arm], strict=True):
            if std:
                plot.line([(x, end) for end in _whisker(mean, std)], arm_css(arm, "curve"))
            plot.dot(
                x, y, arm_css(arm, "mark"), f"{arm}, {share:g} %: {spread(mean, std or None)}", square=arm == ARMS[1]
            )
        said.append(
            f"{arm} "
            + ", ".join(f"{percent(mean)} at {share:g} %" for share, (mean, _) in zip(shares, arms[arm], strict=True))
        )
    first = own[0].first
    alt = (
        f"{METRIC} of {first.generator} on {first.dataset} over the share of training images. " + "; ".join(said) + "."
    )
    caption = f"{METRIC} of the {own[0].headline} classifier; mean over seeds, lines up and down: standard deviation."
    return Figure(f"{first.generator} on {first.dataset}", plot.render(alt), caption)


def _whisker(mean: float, std: float) -> tuple[float, float]:
    """Return the ends of mean ± standard deviation in percent, where there can be values."""
    return 100 * max(mean - std, 0.0), 100 * min(mean + std, 1.0)
