"""Several comparisons at a glance, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.comparison.cells import change, spread
from d3wrap.comparison.overview import BESIDE, METRIC, OverviewLine, Together, overview, together
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE, out_of_reach

HEADINGS = {"train_fraction": "images"}


def overview_tables(runs: Sequence[RunResult]) -> Group:
    """Return a line for each comparison, and what they come to over datasets and shares; in percent.

    Empty where there is one comparison.
    """
    lines = overview(runs)
    if len(lines) < 2:
        return Group()
    classifiers = ", ".join(dict.fromkeys(line.classifier for line in lines))
    parts: list[Table | Text] = [Text.assemble((f"{len(lines)} comparisons", "bold"), f"   {METRIC} of {classifiers}")]
    parts += [_table(lines), *_notes(lines)]
    if summed := together(runs):
        parts += [
            Text(),
            Text("Over datasets and shares", "bold"),
            _together(summed),
            *(Text(note, "dim") for note in NOTES),
        ]
    return Group(*parts)


def _table(lines: Sequence[OverviewLine]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name in lines[0].varying:
        table.add_column(HEADINGS.get(name, name), overflow="fold", justify="right" if name in HEADINGS else "left")
    columns = ["baseline", "enhanced", "change", "wins", f"Δ{BESIDE}"]
    tested = any(line.judged.difference.n >= FEWEST_FOR_SIGNIFICANCE for line in lines)
    for name in [*columns, *(["Holm"] if tested else [])]:
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        row, difference = line.judged, line.judged.difference
        cells = [
            Text(spread(row.baseline_mean, row.baseline_std)),
            Text(spread(row.enhanced_mean, row.enhanced_std)),
            change(difference),
            Text(f"{difference.wins}/{difference.n}"),
            change(line.beside.difference),
        ]
        if tested:
            p = row.holm_p if difference.n >= FEWEST_FOR_SIGNIFICANCE else None
            cells.append(Text("–" if p is None else f"{p:.3f}"))
        table.add_row(*(_varying(name, value) for name, value in line.varying.items()), *cells)
    return table


def _varying(name: str, value: object) -> Text:
    return Text(f"{100 * value:g}%" if name == "train_fraction" and isinstance(value, float) else str(value))


def _notes(lines: Sequence[OverviewLine]) -> list[Text]:
    counts = [line.judged.difference.n for line in lines]
    notes = []
    if max(counts) >= FEWEST_FOR_SIGNIFICANCE:
        notes.append(Text(f"Holm: exact Wilcoxon p, adjusted for these {len(lines)} comparisons", "dim"))
    if min(counts) < FEWEST_FOR_SIGNIFICANCE:
        notes.append(Text(f"fewer than {FEWEST_FOR_SIGNIFICANCE} seeds: no test can be significant", "yellow"))
    if said := out_of_reach(counts):
        notes.append(Text(said, "yellow"))
    return notes


def _together(summed: Sequence[Together]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("generator", overflow="fold")
    for name in ("comparisons", "IQM baseline", "IQM enhanced", "P(improvement)"):
        table.add_column(name, justify="right")
    for one in summed:
        found = one.found
        table.add_row(
            Text(one.generator or "all", "" if one.generator else "bold"),
            Text(f"{one.comparisons}"),
            _within(100 * found.baseline_iqm, found.baseline_interval, 100, 1),
            _within(100 * found.enhanced_iqm, found.enhanced_interval, 100, 1),
            _within(found.improvement, found.improvement_interval, 1, 2),
        )
    return table


def _within(value: float, interval: tuple[float, float], factor: int, decimals: int) -> Text:
    low, high = (factor * end for end in interval)
    return Text(f"{value:.{decimals}f} ({low:.{decimals}f}–{high:.{decimals}f})")


NOTES = (
    f"IQM: interquartile mean of {METRIC} over comparisons and seeds, in percent",
    "P(improvement): how likely a run with D³ exceeds one without",
    "in brackets: 95 % interval of a bootstrap of seeds within each comparison",
)
