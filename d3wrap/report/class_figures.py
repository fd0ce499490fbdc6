"""Figures of classes: how the accuracy of each one changed, and where generated features lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from d3wrap.comparison.artefacts_reading import ClassInfo, Projection
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.figure import WIDTH, Figure
from d3wrap.report.numbers import percent, signed
from d3wrap.report.svg import LETTER, Plot, shorten, span

MOST = 30
"""Classes in a picture; of more, those that changed most."""
VALUE = 38
"""Room for a number at the end of a bar."""
NAME = 20
"""Letters of a class's name in a picture."""
LINE, LEGEND = 15, 20
"""Height of a line below a projection, and letters of a name there."""
SHOWN = 6
"""Classes told apart by colour in a projection."""


class ClassChange(NamedTuple):
    """Accuracy of one class in each arm, means over seeds; ``info`` is ``None`` where no run says what the class is."""

    label: int
    info: ClassInfo | None
    baseline: float
    enhanced: float

    @property
    def name(self) -> str:
        """The class's name, or its number."""
        return self.info.name if self.info is not None else f"class {self.label}"

    @property
    def kind(self) -> str:
        """``unseen``, ``seen``, or nothing where that is not known."""
        return "" if self.info is None else "unseen" if self.info.unseen else "seen"

    @property
    def change(self) -> float:
        """Enhanced less baseline."""
        return self.enhanced - self.baseline


def class_changes(comparison: Comparison, classifier: str) -> list[ClassChange]:
    """Return the change of each class measured in all runs, largest loss last."""
    arms = [list(comparison.by_seed(arm, classifier).values()) for arm in ARMS]
    shared = set.intersection(*(set(run.per_class) for runs in arms for run in runs))
    info = class_info(comparison)
    means = {c: [sum(run.per_class[c] for run in runs) / len(runs) for runs in arms] for c in sorted(shared)}
    changes = [ClassChange(c, info.get(c), before, after) for c, (before, after) in means.items()]
    return sorted(changes, key=lambda one: -one.change)


def class_info(comparison: Comparison) -> Mapping[int, ClassInfo]:
    """Return names and kinds of classes, from the first run that kept them."""
    return next((one.classes for arm in ARMS for one in comparison.artefacts(arm).values()), {})


def class_figures(changes: Sequence[ClassChange]) -> list[Figure]:
    """Draw the changes of unseen and of seen classes, a bar each."""
    found = {kind: [one for one in changes if one.kind == kind] for kind in ("unseen", "seen", "")}
    shown = {kind: _most_changed(own) for kind, own in found.items() if own}
    ends = [100 * one.change for own in shown.values() for one in own]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
    x = (low, high) if high > low else (-1.0, 1.0)
    return [_bars(kind, own, len(found[kind]), x) for kind, own in shown.items()]


def _most_changed(changes: Sequence[ClassChange]) -> list[ClassChange]:
    most = sorted(changes, key=lambda one: -abs(one.change))[:MOST]
    return sorted(most, key=lambda one: -one.change)


def _bars(kind: str, shown: Sequence[ClassChange], count: int, x: tuple[float, float]) -> Figure:
    caption = "Bars to the right gained, bars to the left lost; means over seeds."
    if count > len(shown):
        caption = f"The {MOST} of {count} classes that changed most; all of them are in the table below. {caption}"
    left = 14 + LETTER * max(min(len(one.name), NAME) for one in shown)
    beside = (VALUE if x[0] < 0 else 0) + left
    plot = Plot(WIDTH, 44 + 17.0 * len(shown), x, (0, 1), left=beside, right=VALUE, top=4)
    plot.x_axis("change of accuracy, percent points")
    zero = plot.across(0)
    for place, one in enumerate(shown):
        middle = plot.top + 17 * place + 10
        end = plot.across(100 * one.change)
        css = "bar gain" if one.change > 0 else "bar drop"
        plot.add("rect", x=min(zero, end), y=middle - 6.0, width=abs(end - zero), height=12.0, class_=css)
        plot.text(left - 8, middle + 4, shorten(one.name, NAME), anchor="end")
        plot.text(
            end + (4 if one.change >= 0 else -4),
            middle + 4,
            signed(one.change),
            anchor="start" if one.change >= 0 else "end",
        )
    plot.line([(0, 0), (0, 1)], "zero")
    said = "; ".join(f"{one.name} {percent(one.baseline)} to {percent(one.enhanced)}" for one in shown)
    title = f"{kind} classes" if kind else "classes"
    return Figure(title.capitalize(), plot.render(f"Accuracy of {title}, baseline to enhanced: {said}."), caption)


def projections(comparison: Comparison) -> list[Figure]:
    """Draw real and generated features of the first seed that has them in both arms, on the same axes."""
    found = [comparison.artefacts(arm) for arm in ARMS]
    both = [seed for seed in found[0] if seed in found[1] and all(arm[seed].projection for arm in found)]
    if not both:
        return []
    seed = both[0]
    pair = [one for one in (arm[seed].projection for arm in found) if one is not None]
    points = [p for one in pair for group in (one.real, one.generated) for rows in group.values() for p in rows]
    x, y = span([p[0] for p in points]), span([p[1] for p in points])
    info = class_info(comparison)
    return [_projection(arm, one, info, seed, x, y) for arm, one in zip(ARMS, pair, strict=True)]


def _projection(
    arm: str,
    found: Projection,
    info: Mapping[int, ClassInfo],
    seed: int,
    x: tuple[float, float],
    y: tuple[float, float],
) -> Figure:
    classes = list(found.real)[:SHOWN]
    legend = LINE * ((len(classes) + 1) // 2)
    plot = Plot(WIDTH, 300 + legend, x, y, left=44, bottom=36 + legend)
    first, second = (percent(share, 0) for share in found.explained)
    plot.x_axis(f"first component ({first} % of variance)", grid=False)
    plot.y_axis(f"second component ({second} %)")
    for number, c in enumerate(classes):
        for point in found.real[c]:
            plot.dot(*point, f"real class-{number}", size=2.5)
        for point in found.generated[c]:
            plot.cross(*point, f"generated class-{number}")
    said = []
    for number, c in enumerate(classes):
        name, css = info[c].name if c in info else f"class {c}", f"name class-{number}"
        row, side = divmod(number, 2)
        place = 6 + side * WIDTH / 2
        plot.text(place, 296 + LINE * (row + 1), f"{number + 1} {shorten(name, LEGEND)}", css)
        centre, made = _centre(found.real[c]), _centre(found.generated[c])
        if centre is None or made is None:
            continue
        plot.text(plot.across(centre[0]), plot.up(centre[1]) + 5, f"{number + 1}", f"{css} mean", "middle")
        away = ((centre[0] - made[0]) ** 2 + (centre[1] - made[1]) ** 2) ** 0.5
        said.append(f"{name} {away:.2g}")
    alt = (
        f"Real and generated features of {len(classes)} unseen classes, {arm} arm, seed {seed}, in the plane of the "
        "real ones' first two principal components. Distance of the generated mean from the real one: "
        f"{'; '.join(said)}."
    )
    caption = (
        "Dots: real test features; crosses: generated; numbers stand at the real means. The plane is fitted to the "
        "real features alone; what lies close together in it can lie far apart in the whole space."
    )
    return Figure(f"{arm}, seed {seed}", plot.render(alt), caption, arm)


def _centre(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    if not points:
        return None
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)
