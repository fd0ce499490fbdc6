"""The comparison as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.comparison.results import CALIBRATED, METRICS, RunResult
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE, PairedDifference
from d3wrap.comparison.summary import SummaryRow, summarise


def comparison_tables(runs: Sequence[RunResult]) -> Group:
    """Return one rich table for each dataset, generator and preset, 80 columns wide at most, in percent.

    Each classifier has rows for baseline and enhanced (mean ± standard deviation over seeds), their difference (mean ±
    half the 95 % interval), and the seeds that gained; from six seeds on, Wilcoxon's p. Raises
    :class:`~d3wrap.errors.DataError` where runs do not pair up.
    """
    blocks: dict[tuple[str, str, str], list[SummaryRow]] = {}
    for row in summarise(runs):
        blocks.setdefault((row.dataset, row.generator, row.preset), []).append(row)
    parts: list[Table | Text] = []
    for key, rows in blocks.items():
        own = [run for run in runs if (run.dataset, run.generator, run.preset) == key]
        parts += [_title(own), _table(rows), *_footers(own, rows[0].difference.n), Text()]
    return Group(*parts[:-1])


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
        "baseline": lambda row: _value(row.baseline_mean, row.baseline_std),
        "enhanced": lambda row: _value(row.enhanced_mean, row.enhanced_std),
        "change": lambda row: _change(row.difference),
    }
    if n > 1:
        lines["wins"] = lambda row: Text(f"{row.difference.wins}/{n}")
    if n >= FEWEST_FOR_SIGNIFICANCE:
        lines["p"] = lambda row: Text(f"{row.difference.wilcoxon_p:.3f}")
    table.add_row(Text(heading, "bold"))
    for name, cell in lines.items():
        table.add_row(f"  {name}", *(cell(columns[m]) if m in columns else "" for m in METRICS))
    table.add_section()


def _value(mean: float, std: float | None) -> Text:
    return Text(f"{100 * mean:.1f}" if std is None else f"{100 * mean:.1f}±{100 * std:.1f}")


def _change(difference: PairedDifference) -> Text:
    """Green or red where the interval leaves out 0."""
    text = ("+" if difference.mean >= 0 else "−") + _short(abs(difference.mean))
    if difference.low is None or difference.high is None:
        return Text(text)
    style = "green" if difference.low > 0 else "red" if difference.high < 0 else ""
    return Text(f"{text}±{_short(difference.high - difference.mean)}", style)


def _short(fraction: float) -> str:
    """Return percent points in four characters at most."""
    percent = 100 * fraction
    return f"{percent:.2f}" if percent < 9.995 else f"{percent:.1f}" if percent < 99.95 else f"{percent:.0f}"


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
