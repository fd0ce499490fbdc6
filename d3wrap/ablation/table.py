"""The ablation as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.ablation.storage import Ablation
from d3wrap.ablation.summary import AblationRow
from d3wrap.comparison.cells import change
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE, PairedDifference, out_of_reach

METRIC = "H"
"""What variants are compared by."""
SHOWN = ("T1", "AUSUC", METRIC)


def ablation_tables(ablation: Ablation) -> Group:
    """Return a rich table for each classifier, 80 columns wide, in percent.

    Each variant has its means and its change of H against the baseline and against all of D³ (± half the 95 %
    interval); from six seeds on, Wilcoxon's p adjusted by Holm's method for the variants.
    """
    rows = ablation.summary
    classifiers = dict.fromkeys(row.classifier for row in rows)
    parts: list[Table | Text] = [_title(ablation.variants[0].runs)]
    for name in classifiers:
        parts += [_table([row for row in rows if row.classifier == name], name), Text()]
    return Group(*parts, *_notes(ablation, rows))


def _title(runs: Sequence[RunResult]) -> Text:
    first = runs[0]
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in runs}))
    share = "" if first.train_fraction == 1 else f", {100 * first.train_fraction:g}% of each class's training images"
    return Text.assemble(
        (f"{first.generator} on {first.dataset}", "bold"),
        f"   preset {first.preset}, seeds {seeds}\nfeatures {first.features}, semantics {first.semantics}{share}",
    )


def _table(rows: Sequence[AblationRow], classifier: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column(classifier, overflow="fold")
    for metric in SHOWN:
        table.add_column(metric, justify="right", no_wrap=True)
    judged = [row for row in rows if row.metric == METRIC]
    tested = max(row.seeds for row in judged) >= FEWEST_FOR_SIGNIFICANCE
    for reference in ("baseline", "full"):
        table.add_column(f"Δ{METRIC} {reference}", justify="right", no_wrap=True)
        if tested:
            table.add_column("Holm", justify="right", no_wrap=True)
    means = {(row.variant, row.metric): row.mean for row in rows}
    for row in judged:
        cells = [Text(f"{100 * means[row.variant, metric]:.1f}") for metric in SHOWN]
        for found, p in ((row.against_baseline, row.baseline_holm_p), (row.against_full, row.full_holm_p)):
            cells.append(Text("–") if found is None else change(found))
            if tested:
                cells.append(Text(_p(found, p)))
        table.add_row(Text(row.variant), *cells)
    return table


def _p(found: PairedDifference | None, p: float | None) -> str:
    return "" if found is None or p is None or found.n < FEWEST_FOR_SIGNIFICANCE else f"{p:.2f}"


def _notes(ablation: Ablation, rows: Sequence[AblationRow]) -> list[Text]:
    runs = [run for one in ablation.variants for run in one.runs]
    used = any(run.test_used_for_selection for run in runs)
    counts = {row.variant: row.seeds for row in rows}
    notes = [Text("Δ: change, paired by seed; ±: half its 95 % interval", "dim")]
    if max(counts.values()) >= FEWEST_FOR_SIGNIFICANCE:
        notes.append(Text("Holm: exact Wilcoxon p, adjusted for the variants of the column", "dim"))
    notes.append(Text(f"split: {runs[0].split}"))
    notes.append(Text(f"test set used for selection: {'YES' if used else 'no'}", "bold red" if used else ""))
    if fewer := [name for name, count in counts.items() if count < max(counts.values())]:
        notes.append(Text(f"fewer seeds than the others: {', '.join(f'{name} ({counts[name]})' for name in fewer)}"))
    if caution := too_few(max(counts.values()), len(counts) - 1):
        notes.append(Text(caution, "yellow"))
    return notes


def too_few(seeds: int, family: int) -> str:
    """Say that no change of ``family`` variants can be significant with so few seeds; empty where one can."""
    if seeds < FEWEST_FOR_SIGNIFICANCE:
        return f"fewer than {FEWEST_FOR_SIGNIFICANCE} seeds: no test can be significant"
    return out_of_reach([seeds] * family)
