"""An ablation as Markdown, LaTeX and CSV."""

from __future__ import annotations

import io
from collections.abc import Sequence

from d3wrap.ablation.storage import write_csv
from d3wrap.report.ablation import SHOWN, AblationLine, AblationSection, ClassifierPart
from d3wrap.report.booktabs import HEAD, latex_table
from d3wrap.report.text import markdown
from d3wrap.report.verdict import METRIC

CAPTION = (
    "Percent; mean ± standard deviation over seeds; changes are paired by seed, in percent points, with their 95 % "
    f"Student-t interval; all changes are of {METRIC}."
)
TESTED = "Holm: exact Wilcoxon p, adjusted for the variants of the column."


def ablation_markdown(sections: Sequence[AblationSection]) -> str:
    """Return verdicts, tables and facts as Markdown."""
    parts = []
    for section in sections:
        parts += [f"## {markdown(section.title)}", f"**{markdown(section.verdict.sentence)}**"]
        parts += [markdown(" ".join(section.sentences))] if section.sentences else []
        for part in section.parts:
            headings = _headings(part)
            rows = [[markdown(cell) or "–" for cell in _cells(line, part)] for line in part.lines]
            ruled = ["---", *["---:"] * (len(headings) - 1)]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in [headings, ruled, *rows]))
        parts.append(_caption(section))
        parts.append("\n".join(f"- {name}: {markdown(value)}" for name, value in section.facts))
    return "\n\n".join(parts) + "\n"


def ablation_latex(sections: Sequence[AblationSection]) -> str:
    """Return a booktabs table for each classifier; the document needs ``booktabs`` and ``textcomp``."""
    tables = []
    for section in sections:
        for part in section.parts:
            caption = f"{section.title}, {part.classifier} classifier. {_caption(section)}"
            blocks: dict[str, list[list[str]]] = {}
            kinds = {one.name: one.kind for one in section.ablation.variants}
            for line in part.lines:
                blocks.setdefault(kinds[line.variant], []).append(_cells(line, part))
            tables.append(latex_table(caption, _headings(part), list(blocks.values()), texts=1))
    return HEAD + "\n".join(tables)


def ablation_csv(sections: Sequence[AblationSection]) -> str:
    """Return the same as ``ablation.csv``, of several ablations one after the other."""
    stream = io.StringIO()
    for section in sections:
        write_csv(stream, section.ablation)
    return stream.getvalue()


def _caption(section: AblationSection) -> str:
    return f"{CAPTION} {TESTED}" if any(part.tested for part in section.parts) else CAPTION


def _headings(part: ClassifierPart) -> list[str]:
    holm = ["Holm"] if part.tested else []
    return [part.classifier, *SHOWN, "against baseline", "95 % interval", *holm, "against full", "95 % interval", *holm]


def _cells(line: AblationLine, part: ClassifierPart) -> list[str]:
    cells = [line.variant, *line.means]
    for change in (line.baseline, line.full):
        cells += [change.change, change.interval, *([change.holm] if part.tested else [])]
    return cells
