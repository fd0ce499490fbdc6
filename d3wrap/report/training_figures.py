"""Figures of training: one small picture for each loss."""

from __future__ import annotations

from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.figure import Figure, arm_css
from d3wrap.report.numbers import seeds
from d3wrap.report.svg import Plot, shorten, span

MOST = 24
"""Losses drawn at most."""


def losses(comparison: Comparison) -> list[Figure]:
    """Draw each loss over the steps, a line for each arm and seed; empty where no run kept its losses."""
    lines: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {}
    for (arm, _), files in sorted(comparison.files.items()):
        names = dict.fromkeys(name for _, found in files.losses or () for name in found)
        for name in names:
            points = [(float(step), found[name]) for step, found in files.losses or () if name in found]
            lines.setdefault(name, []).append((arm, points))
    return [_loss(name, drawn) for name, drawn in list(lines.items())[:MOST]]


def _loss(name: str, drawn: list[tuple[str, list[tuple[float, float]]]]) -> Figure:
    steps = [step for _, points in drawn for step, _ in points]
    values = [value for _, points in drawn for _, value in points]
    plot = Plot(260, 170, (0, max(steps) or 1), span(values), left=48, right=12, top=8)
    plot.x_axis("step", 4, grid=False)
    plot.y_axis("", 4)
    for arm, points in reversed(drawn):  # baseline, which is dashed, above enhanced, so that both can be seen
        if len(points) == 1:
            plot.dot(*points[0], arm_css(arm, "mark"), size=2.5, square=arm == "enhanced")
        plot.line(points, arm_css(arm, "curve loss"))
    said = []
    for arm in ARMS:
        ends = [points for one, points in drawn if one == arm]
        if ends:
            first, last = (sum(points[i][1] for points in ends) / len(ends) for i in (0, -1))
            said.append(f"{arm} from {first:.3g} to {last:.3g} (means over {seeds(len(ends))})")
    return Figure(shorten(name, 60), plot.render(f"Loss {name} over {max(steps)} steps: {'; '.join(said)}."), "")
