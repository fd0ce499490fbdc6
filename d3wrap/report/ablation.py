"""What the report shows of an ablation: a verdict, a line for each variant, and pictures of the changes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from d3wrap.ablation.storage import FILE, Ablation, read_ablation
from d3wrap.ablation.summary import AblationRow
from d3wrap.ablation.variants import FULL
from d3wrap.comparison.overview import headline
from d3wrap.comparison.statistics import (
    FEWEST_FOR_SIGNIFICANCE,
    PairedDifference,
    fewest_for,
    out_of_reach,
)
from d3wrap.report.facts import PROTOCOLS
from d3wrap.report.figure import Figure
from d3wrap.report.numbers import interval, p_value, seeds, signed, spread
from d3wrap.report.svg import Plot, shorten, span
from d3wrap.report.verdict import METRIC, Verdict, judge

SHOWN = ("T1", "U", "S", METRIC, "AUSUC")
"""Metrics whose means stand in the table."""
WIDTH, NAME = 440.0, 29
"""Width of a picture, and letters of a variant's name in it."""


class Change(NamedTuple):
    """A variant's change of H against a reference; empty texts where there is none to speak of."""

    change: str
    interval: str
    holm: str
    kind: str
    row: PairedDifference | None
    adjusted: float | None


class AblationLine(NamedTuple):
    """One variant, by one classifier."""

    variant: str
    says: str
    seeds: int
    means: Sequence[str]
    values: Sequence[float]
    """The same, to sort by."""
    baseline: Change
    full: Change


class ClassifierPart(NamedTuple):
    """The table and the pictures of one classifier."""

    classifier: str
    lines: Sequence[AblationLine]
    figures: Sequence[Figure]
    tested: bool


class AblationSection(NamedTuple):
    """Everything a page or a document says of one ablation."""

    source: Path
    title: str
    verdict: Verdict
    sentences: Sequence[str]
    facts: Sequence[tuple[str, str]]
    parts: Sequence[ClassifierPart]
    ablation: Ablation


def holds_ablation(path: Path) -> bool:
    """Say whether a folder, or a file, is what `d3wrap ablate` wrote."""
    return (path / FILE).is_file() if path.is_dir() else path.name == FILE


def collect_ablations(paths: Iterable[Path]) -> list[AblationSection]:
    """Read ablations; raises :class:`~d3wrap.errors.DataError` for what cannot be read."""
    return [_section(path, read_ablation(path)) for path in dict.fromkeys(paths)]


def _section(path: Path, ablation: Ablation) -> AblationSection:
    runs = [run for one in ablation.variants for run in one.runs]
    first, rows = runs[0], ablation.summary
    share = "" if first.train_fraction == 1 else f", {100 * first.train_fraction:g} % of training images"
    says = {one.name: one.says for one in ablation.variants}
    judged = headline(runs)
    parts = [
        _part(name, [row for row in rows if row.classifier == name], says)
        for name in dict.fromkeys(row.classifier for row in rows)
    ]
    verdict, sentences = _verdict([row for row in rows if (row.classifier, row.metric) == (judged, METRIC)])
    return AblationSection(
        source=path if path.is_dir() else path.parent,
        title=f"{first.generator} on {first.dataset}{share}: what each part of D³ does",
        verdict=verdict,
        sentences=sentences,
        facts=_facts(path, ablation),
        parts=parts,
        ablation=ablation,
    )


def _verdict(rows: Sequence[AblationRow]) -> tuple[Verdict, list[str]]:
    """Return what all of D³ does, and which variants differ reliably from it."""
    full = next((row for row in rows if row.variant == FULL), None)
    if full is None or full.against_baseline is None:
        return Verdict("Without runs of both the baseline and all of D³ there is nothing to compare with.", "none"), []
    found = full.against_baseline
    limits = f"95 % interval {interval(found)}, " if found.low is not None else ""
    # One difference named beforehand: the family is of the variants.
    judged, kind = judge(found, found.wilcoxon_p)
    verdict = Verdict(
        f"All of D³ changed {METRIC} of the {full.classifier} classifier by {signed(found.mean)} points against the "
        f"baseline ({limits}{seeds(found.n)}): {judged}.",
        kind,
    )
    others = [row for row in rows if row.against_full is not None]
    said = []
    if others:
        kinds = {row.variant: _judged(row.against_full, row.full_holm_p, others, "full") for row in others}
        higher, lower = (
            ", ".join(name for name, kind in kinds.items() if kind == wanted) or "none" for wanted in ("rise", "fall")
        )
        said.append(
            f"Of {len(others)} variants, {METRIC} is reliably higher than with all of D³ in {higher}, and reliably "
            f"lower in {lower}."
        )
        counts = [row.against_full.n for row in others if row.against_full is not None]
        if max(counts) >= FEWEST_FOR_SIGNIFICANCE and (limit := out_of_reach(counts)):
            said.append(f"{limit[:1].upper()}{limit[1:]}.")
        elif max(counts) < FEWEST_FOR_SIGNIFICANCE:
            said.append(f"With fewer than {fewest_for(len(others))} seeds none of {len(others)} can be.")
    return verdict, said


def _judged(found: PairedDifference | None, p: float | None, rows: Sequence[AblationRow], reference: str) -> str:
    """Return ``rise``, ``fall`` or ``none``, with p adjusted for all variants."""
    if found is None or p is None:
        return "none"
    family = sum(getattr(row, f"against_{reference}") is not None for row in rows)
    return judge(found, p, family).kind


def _part(classifier: str, rows: Sequence[AblationRow], says: dict[str, str]) -> ClassifierPart:
    means = {(row.variant, row.metric): row for row in rows}
    judged = [row for row in rows if row.metric == METRIC]
    lines = []
    for row in judged:
        own = [means[row.variant, metric] for metric in SHOWN]
        lines.append(
            AblationLine(
                variant=row.variant,
                says=says[row.variant],
                seeds=row.seeds,
                means=[spread(one.mean, one.std) for one in own],
                values=[one.mean for one in own],
                baseline=_change(row.against_baseline, row.baseline_holm_p, judged, "baseline"),
                full=_change(row.against_full, row.full_holm_p, judged, "full"),
            )
        )
    figures = [
        _forest(lines, "baseline", "Against the baseline"),
        _forest(lines, "full", "Against all of D³"),
    ]
    tested = any(line.baseline.holm or line.full.holm for line in lines)
    return ClassifierPart(classifier, lines, [figure for figure in figures if figure is not None], tested)


def _change(found: PairedDifference | None, p: float | None, rows: Sequence[AblationRow], reference: str) -> Change:
    if found is None:
        return Change("", "", "", "", None, None)
    tested = found.n >= FEWEST_FOR_SIGNIFICANCE and p is not None
    kind = {"rise": "gain", "fall": "drop", "none": ""}[_judged(found, p, rows, reference)]
    text = p_value(p).removeprefix("= ") if tested and p is not None else ""
    return Change(signed(found.mean), interval(found), text, kind, found, p)


def _forest(lines: Sequence[AblationLine], reference: str, title: str) -> Figure | None:
    """Draw the change of each variant with its interval; ``None`` where nothing can be compared."""
    shown = [(line.variant, getattr(line, reference)) for line in lines]
    drawn = [(name, one.row) for name, one in shown if one.row is not None]
    if not drawn:
        return None
    ends = [100 * end for _, row in drawn for end in (row.low, row.high, row.mean) if end is not None]
    plot = Plot(WIDTH, 46.0 + 17 * len(drawn), span(ends, zero=True), (0, len(drawn)), left=190, top=4)
    plot.x_axis(f"change of {METRIC}, percent points")
    plot.line([(0, 0), (0, len(drawn))], "zero")
    said = []
    for place, (name, row) in enumerate(drawn):
        middle = len(drawn) - place - 0.5
        plot.text(plot.left - 8, plot.up(middle) + 4, shorten(name, NAME), anchor="end")
        if row.low is not None and row.high is not None:
            plot.line([(100 * row.low, middle), (100 * row.high, middle)], "interval")
        plot.dot(100 * row.mean, middle, "mean-mark", f"{name}: {signed(row.mean)} points", 3.5, square=True)
        said.append(f"{name} {signed(row.mean)}")
    alt = f"Change of {METRIC} {title.lower()}, in percent points. " + "; ".join(said) + "."
    return Figure(title, plot.render(alt), "Squares: mean over seeds, paired; bars: 95 % Student-t interval.")


def _facts(path: Path, ablation: Ablation) -> list[tuple[str, str]]:
    runs = [run for one in ablation.variants for run in one.runs]
    first = runs[0]
    used = any(run.test_used_for_selection for run in runs)
    return [
        ("protocol", PROTOCOLS[first.protocol]),
        ("test set used for selection", "YES" if used else "no"),
        ("preset", first.preset),
        ("seeds", ", ".join(map(str, sorted({run.seed for run in runs})))),
        ("features", first.features),
        ("semantics", first.semantics),
        ("split", first.split),
        ("runs", f"{sum(len({run.seed for run in one.runs}) for one in ablation.variants)}"),
        ("results", f"{path}, written {ablation.created}"),
        ("command", shlex.join(ablation.command)),
    ]
