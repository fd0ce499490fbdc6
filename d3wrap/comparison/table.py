"""The comparison as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.comparison.cells import change, spread
from d3wrap.comparison.overview_table import overview_tables
from d3wrap.comparison.results import CALIBRATED, METRICS, RunResult
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE
from d3wrap.comparison.summary import SummaryRow, by_comparison, summarise


def comparison_tables(runs: Sequence[RunResult]) -> Group:
    """Return one rich table for each comparison, 80 columns wide at most, in percent; of several also an overview.

    Each classifier has rows for baseline and enhanced (mean ± standard deviation over seeds), their difference (mean ±
    half the 95 % interval), and the seeds that gained; from six seeds on, Wilcoxon's p. Raises
    :class:`~d3wrap.errors.DataError` where runs do not pair up.
    """
    parts: list[Table | Text | Group] = []
    groups = by_comparison(runs)
    for own in groups.values():
        rows = summarise(own)
        parts += [_title(own), _table(rows), *_footers(own, rows[0].difference.n), Text()]
    return Group(*parts, overview_tables(runs)) if len(groups) > 1 else Group(*parts[:-1])


def _title(runs: Sequence[RunResult]) -> Text:
    first = runs[0]
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in runs}))
    share = "" if first.train_fraction == 1 else f"\n{100 * first.train_fraction:g}% of each class's training images"
    return Text.assemble(
        (f"{first.generator} on {first.dataset}", "bold"),
        f"   preset {first.preset}, seeds {seeds}\nfeatures {first.features}, semantics {first.semantics}{share}",
    )


def _table(rows: Sequence[SummaryRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("percent", no_wrap=True)
    for metric in METRICS:
        table.add_column(metric, justify="right", no_wrap=True)
    for classifier in dict.fromkeys(row.classifier for row in rows):
        own = {row.metric: row for row in rows if row.classifier == classifier}
        _add_section(table, classifier, {metric: own[metric] for metric in METRICS})
        if CALIBRATED[0] in own:
            columns = {metric.removesuffix("_gamma"): own[metric] for metric in CALIBRATED}
            _add_section(table, f"{classifier}, γ", columns)
    return table


def _add_section(table: Table, heading: str, columns: Mapping[str, SummaryRow]) -> None:
    n = next(iter(columns.values())).difference.n
    lines: dict[str, Callable[[SummaryRow], Text]] = {
        "baseline": lambda row: Text(spread(row.baseline_mean, row.baseline_std)),
        "enhanced": lambda row: Text(spread(row.enhanced_mean, row.enhanced_std)),
        "change": lambda row: change(row.difference),
    }
    if n > 1:
        lines["wins"] = lambda row: Text(f"{row.difference.wins}/{n}")
    if n >= FEWEST_FOR_SIGNIFICANCE:
        lines["p"] = lambda row: Text(f"{row.difference.wilcoxon_p:.3f}")
    table.add_row(Text(heading, "bold"))
    for name, cell in lines.items():
        table.add_row(f"  {name}", *(cell(columns[m]) if m in columns else "" for m in METRICS))
    table.add_section()


def _footers(runs: Sequence[RunResult], seeds: int) -> list[Text]:
    used = any(run.test_used_for_selection for run in runs)
    formulations = " and ".join(sorted({run.formulation for run in runs if run.formulation}))
    lines = [
        Text(f"formulation: {formulations}   split: {runs[0].split}"),
        Text(f"test set used for selection: {'YES' if used else 'no'}", "bold red" if used else ""),
    ]
    notes = []
    if seeds > 1:
        notes.append("± after a value: standard deviation over seeds; after a change: 95 % interval")
    if seeds >= FEWEST_FOR_SIGNIFICANCE:
        notes.append("wins: seeds that gained; p: exact Wilcoxon signed-rank test, two-sided")
    if any(run.gamma is not None for run in runs):
        notes.append("γ: calibrated, with γ chosen on validation rows")
    if seeds < FEWEST_FOR_SIGNIFICANCE:
        lines.append(Text(f"fewer than {FEWEST_FOR_SIGNIFICANCE} seeds: no test can be significant", "yellow"))
    return [Text(note, "dim") for note in notes] + lines
