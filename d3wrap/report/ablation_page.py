"""An ablation as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from d3wrap.report.ablation import SHOWN, AblationSection
from d3wrap.report.page import render
from d3wrap.report.verdict import METRIC


def ablation_page(sections: Sequence[AblationSection]) -> str:
    """Return the page as HTML; what it may do, and what is escaped, is as in :func:`~d3wrap.report.page.html_page`."""
    return render("ablation.html", sections=sections, shown=SHOWN, metric=METRIC)
