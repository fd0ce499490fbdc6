"""Tables as LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from d3wrap.report.text import latex


def latex_table(caption: str, headings: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]], texts: int) -> str:
    """Return a table of ``blocks`` of rows with a rule between them; the first ``texts`` columns stand to the left.

    Caption and cells are text and stay text; an empty cell becomes a dash.
    """
    rows = ["\n".join(_row(cells) for cells in block) for block in blocks]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            rf"\begin{{tabular}}{{{'l' * texts}{'r' * (len(headings) - texts)}}}",
            r"\toprule",
            rf"{' & '.join(map(latex, headings))} \\",
            r"\midrule",
            "\n\\midrule\n".join(rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(latex(cell) or "--" for cell in cells) + r" \\"
