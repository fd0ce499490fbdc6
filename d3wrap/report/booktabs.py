"""Tables as LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from d3wrap.report.text import latex

HEAD = (
    "% Needs \\usepackage{booktabs,graphicx,textcomp}; for other alphabets than Latin, LuaLaTeX and a font with them.\n"
)
"""The first line of a document's tables."""


def latex_table(caption: str, headings: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]], texts: int) -> str:
    """Return a table of ``blocks`` of rows with a rule between them; the first ``texts`` columns stand to the left.

    Caption and cells are text and stay text; an empty cell becomes a dash. What is wider than the text is made to fit.
    """
    rows = ["\n".join(_row(cells) for cells in block) for block in blocks]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            r"\medskip",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            # As wide as it is where it fits, else as wide as the text.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{'l' * texts}{'r' * (len(headings) - texts)}}}",
            r"\toprule",
            rf"{' & '.join(map(latex, headings))} \\",
            r"\midrule",
            "\n\\midrule\n".join(rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return " & ".join(latex(cell) or "--" for cell in cells) + r" \\"
