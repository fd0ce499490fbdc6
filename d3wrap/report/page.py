"""The report as one page that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from d3wrap.report.class_figures import ClassChange, class_changes, class_figures, projections
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.facts import facts
from d3wrap.report.figure import Figure
from d3wrap.report.numbers import percent, signed
from d3wrap.report.overview import overview
from d3wrap.report.pictures import PictureRow, picture_rows
from d3wrap.report.remarks import beyond_reach, multiplicity, remarks
from d3wrap.report.results_figures import confusion, curves, differences
from d3wrap.report.tables import Line, lines
from d3wrap.report.training_figures import losses
from d3wrap.report.verdict import Verdict, overall, together, verdicts


class Section(NamedTuple):
    """Everything the page shows of one comparison."""

    comparison: Comparison
    verdict: Verdict
    remarks: Sequence[str]
    lines: Sequence[Line]
    facts: Sequence[tuple[str, str]]
    differences: Sequence[Figure]
    curves: Sequence[Figure]
    confusion: Sequence[Figure]
    classes: Sequence[Figure]
    changes: Sequence[ClassChange]
    projections: Sequence[Figure]
    no_projection: str
    picture_seed: int | None
    pictures: Sequence[PictureRow]
    losses: Sequence[Figure]
    missing: Sequence[str]
    manifests: Sequence[tuple[str, str]]


def section(comparison: Comparison, judged: Verdict) -> Section:
    """Gather one comparison for the page."""
    changes = class_changes(comparison, comparison.headline)
    seed, pictures = picture_rows(comparison)
    kept = [one for arm in ARMS for one in comparison.artefacts(arm).values()]
    return Section(
        comparison=comparison,
        verdict=judged,
        remarks=remarks(comparison),
        lines=lines(comparison),
        facts=facts(comparison),
        differences=[differences(comparison, name) for name in comparison.classifiers],
        curves=_drawn(curves(comparison, name) for name in comparison.classifiers),
        confusion=_drawn(confusion(comparison, name) for name in comparison.classifiers),
        classes=class_figures(changes),
        changes=changes,
        projections=projections(comparison),
        no_projection=next((one.reasons["projection"] for one in kept if "projection" in one.reasons), ""),
        picture_seed=seed,
        pictures=pictures,
        losses=losses(comparison),
        missing=comparison.missing(),
        manifests=_manifests(comparison),
    )


def _drawn(figures: Any) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _manifests(comparison: Comparison) -> list[tuple[str, str]]:
    found = sorted(comparison.files.items(), key=lambda item: (item[0][1], item[0][0]))
    return [
        (f"seed {seed}, {arm}{what}", json.dumps(content, indent=2, ensure_ascii=False))
        for (arm, seed), files in found
        for what, content in (("", files.manifest), (": what was chosen, and from what", files.choice))
        if content is not None
    ]


def html_page(comparisons: Sequence[Comparison]) -> str:
    """Return the page as HTML.

    Whatever comes from results, manifests or data sets is escaped, and the page's own policy forbids every script and
    style but its own, and every connection.
    """
    sections = [section(*pair) for pair in zip(comparisons, verdicts(comparisons), strict=True)]
    return render(
        "report.html",
        sections=sections,
        overall=overall(comparisons),
        together=together(comparisons) if len(sections) > 1 else "",
        overview=overview(comparisons) if len(sections) > 1 else None,
        multiplicity=multiplicity(comparisons),
        beyond_reach=beyond_reach(comparisons),
    )


def render(template: str, **content: Any) -> str:
    """Return a page made from one of our templates; see :func:`html_page` for what it may do."""
    style, script = (_file(name) for name in ("style.css", "script.js"))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("d3wrap.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "signed": signed}
    return environment.get_template(template).render(
        **content,
        style=Markup(style),  # our own file, not data
        script=Markup(script),
        policy=_policy(style, script),
        version=version("d3wrap"),
    )


def _file(name: str) -> str:
    return (resources.files("d3wrap.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    allowed: Mapping[str, str] = {"style-src": _digest(style), "script-src": _digest(script), "img-src": "data:"}
    return "; ".join(["default-src 'none'", "base-uri 'none'", "form-action 'none'", *map(" ".join, allowed.items())])


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
