"""The report as Markdown, for a pull request or a README, and as LaTeX, for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from d3wrap.report.booktabs import HEAD, latex_table
from d3wrap.report.collect import Comparison
from d3wrap.report.facts import facts
from d3wrap.report.overview import Overview, overview
from d3wrap.report.remarks import beyond_reach, multiplicity, remarks
from d3wrap.report.tables import Line, lines
from d3wrap.report.text import markdown
from d3wrap.report.verdict import Verdict, overall, together, verdicts

HEADINGS = (
    "classifier", "metric", "baseline", "enhanced", "change", "95 % interval", "seeds up", "effect", "p", "Holm",
)  # fmt: skip
SHARED = (
    "protocol", "test set used for selection", "features", "semantics", "split", "training images", "seeds", "steps",
)  # fmt: skip
"""Facts that stand beside the numbers."""
CAPTION = (
    "Percent; mean ± standard deviation over seeds; change: enhanced less baseline, in percent points, with its 95 % "
    "Student-t interval; seeds up: those with a change above 0; effect: mean change over its standard deviation; "
    "p: exact Wilcoxon test, from six seeds on; Holm: p adjusted for all rows of the same metric."
)


def markdown_report(comparisons: Sequence[Comparison]) -> str:
    """Return verdicts, tables and what was chosen on what, as Markdown."""
    parts = []
    if len(comparisons) > 1:
        parts = [overall(comparisons), together(comparisons), *_markdown_overview(overview(comparisons))]
    for comparison, judged in zip(comparisons, verdicts(comparisons), strict=True):
        rows = [_row(_cells(line)) for line in lines(comparison)]
        parts += [
            f"## {markdown(comparison.title)}",
            f"**{markdown(judged.sentence)}**",
            *map(markdown, remarks(comparison)),
            "\n".join([_row(HEADINGS), _row(["---", "---", *["---:"] * (len(HEADINGS) - 2)]), *rows]),
            _caption(comparisons),
            "\n".join(f"- {name}: {markdown(value)}" for name, value in facts(comparison) if name in SHARED),
        ]
    if note := multiplicity(comparisons):
        parts.append(note)
    return "\n\n".join(parts) + "\n"


def _caption(comparisons: Sequence[Comparison]) -> str:
    return " ".join(filter(None, [CAPTION, beyond_reach(comparisons)]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(line: Line) -> list[str]:
    return [markdown(cell) or "–" for cell in _in_order(line)]


def _in_order(line: Line) -> tuple[str, ...]:
    values = (line.baseline, line.enhanced, line.change, line.interval, line.seeds_up, line.effect, line.p, line.holm)
    return line.classifier, line.metric, *values


def latex_report(comparisons: Sequence[Comparison]) -> str:
    """Return a booktabs table for each comparison, and of several first one of all; see :mod:`d3wrap.report.booktabs`.

    The document needs ``booktabs``, ``graphicx`` and ``textcomp``.
    """
    pairs = zip(comparisons, verdicts(comparisons), strict=True)
    notes = _caption(comparisons)
    tables = [_latex_table(comparison, judged, notes) for comparison, judged in pairs]
    if len(comparisons) > 1:
        found = overview(comparisons)
        headings, rows = _overview_rows(found)
        caption = f"{overall(comparisons)} {_overview_note(found)}"
        tables = [latex_table(caption, headings, [rows], texts=len(found.names)), *tables]
    return HEAD + "\n".join(tables)


def _latex_table(comparison: Comparison, judged: Verdict, notes: str) -> str:
    table = lines(comparison)
    blocks = [
        [_in_order(line) for line in table if line.classifier == classifier] for classifier in comparison.classifiers
    ]
    used = any(run.test_used_for_selection for run in comparison.runs)
    chosen = "Chosen on the test set, as the papers did" if used else "Nothing was chosen on the test set"
    first = comparison.first
    caption = f"{judged.sentence} {notes} {chosen}; features {first.features}, split {first.split}."
    return latex_table(caption, HEADINGS, blocks, texts=2)


def _overview_rows(found: Overview) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of the overview of several comparisons."""
    headings = [*found.names, f"{found.metric} baseline", "enhanced", "change", "95 % interval", "seeds up"]
    headings += [*(["Holm"] if found.tested else []), "change of AUSUC"]
    rows = []
    for line in found.lines:
        values = [line.baseline, line.enhanced, line.change, line.interval, line.seeds_up]
        rows.append([*line.cells, *values, *([line.holm] if found.tested else []), line.beside])
    return headings, rows


def _overview_note(found: Overview) -> str:
    said = f"{found.metric} of each comparison's headline classifier, in percent; mean ± standard deviation over seeds."
    return f"{said} {found.note}".rstrip()


def _markdown_overview(found: Overview) -> list[str]:
    headings, rows = _overview_rows(found)
    ruled = ["---"] * len(found.names) + ["---:"] * (len(headings) - len(found.names))
    cells = [_row([markdown(cell) or "–" for cell in row]) for row in rows]
    listed = ["\n".join(f"- {markdown(text)}" for text in found.by_generator)] if found.by_generator else []
    return [*listed, "\n".join([_row(headings), _row(ruled), *cells]), _overview_note(found)]
