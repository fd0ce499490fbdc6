"""Figures of results: seen–unseen curves, differences by seed, confusion of seen and unseen classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d3wrap.comparison.artefacts_reading import Point
from d3wrap.report.collect import ARMS, Comparison
from d3wrap.report.figure import WIDTH, Figure, arm_css
from d3wrap.report.numbers import NAMES, interval, percent, seeds, signed, spread
from d3wrap.report.svg import Plot, span

HARMONIC = (0.2, 0.4, 0.6, 0.8)
"""Values of H along which faint lines are drawn under the curves."""
RAYS = 90
PAIRED = ("T1", "U", "S", "H", "AUSUC", "H_gamma")
LANE = 0.16
"""How far seeds are above a row's middle, and their mean below it."""
CONFUSION = ("unseen_as_seen", "seen_as_unseen")


def curves(comparison: Comparison, classifier: str) -> Figure | None:
    """Draw the seen–unseen curves of both arms, a thin line a seed; ``None`` where no run kept them."""
    found = {
        arm: {
            seed: one.curves[classifier] for seed, one in comparison.artefacts(arm).items() if classifier in one.curves
        }
        for arm in ARMS
    }
    if not any(found.values()):
        return None
    plot = Plot(WIDTH, 310, (0, 100), (0, 100))
    plot.x_axis("U: accuracy of unseen classes, %")
    plot.y_axis("S: accuracy of seen classes, %")
    _harmonic(plot)
    for arm, by_seed in found.items():
        for points in by_seed.values():
            plot.line(_in_percent(points), arm_css(arm, "curve thin"))
    for arm, by_seed in reversed(found.items()):  # baseline, which is dashed, above enhanced
        if len(by_seed) > 1:
            plot.line(_in_percent(mean_curve(list(by_seed.values()))), arm_css(arm, "curve mean"))
    for arm in ARMS:
        for seed, run in comparison.by_seed(arm, classifier).items():
            title = f"{arm}, seed {seed}, γ = 0: U {percent(run.U)}, S {percent(run.S)}, H {percent(run.H)}"
            plot.dot(100 * run.U, 100 * run.S, arm_css(arm, "mark"), title, 3.5, arm == "enhanced")
            if run.U_gamma is not None and run.S_gamma is not None:
                plot.cross(100 * run.U_gamma, 100 * run.S_gamma, arm_css(arm, "cross"), 3.5)
    alt = f"Seen–unseen curves, {classifier} classifier. " + " ".join(
        _say_curve(comparison, arm, classifier) for arm in ARMS
    )
    return Figure(f"{classifier} classifier", plot.render(alt), _curve_caption(comparison, found["baseline"]))


def _curve_caption(comparison: Comparison, drawn: object) -> str:
    calibrated = all(run.gamma is not None for run in comparison.runs)
    thick = " Thin lines: seeds; thick lines: their mean along rays from the origin." if drawn else ""
    crosses = ", crosses the validated γ" if calibrated else ""
    if any(run.test_used_for_selection for run in comparison.runs):
        thick += " Lines are of the last step, marks of the step that was chosen on the test set."
    return f"Further up and to the right is better. Marks show where γ = 0 puts each seed{crosses}.{thick}"


def _say_curve(comparison: Comparison, arm: str, classifier: str) -> str:
    rows = {metric: comparison.row(classifier, metric) for metric in ("U", "S", "AUSUC")}
    u, s, area = (percent(row.baseline_mean if arm == "baseline" else row.enhanced_mean) for row in rows.values())
    return f"{arm.capitalize()}: area {area} %, at γ = 0 U {u} and S {s} (means over {seeds(len(comparison.seeds))})."


def mean_curve(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the mean of curves along rays from the origin, which every curve crosses once, from axis to axis."""
    first = (0.0, float(np.mean([points[0][1] for points in curves])))
    last = (float(np.mean([points[-1][0] for points in curves])), 0.0)
    between = [_crossing(curves, angle) for angle in np.linspace(np.pi / 2, 0.0, RAYS + 1)[1:-1]]
    return [first, *between, last]


def _crossing(curves: Sequence[Sequence[Point]], angle: float) -> Point:
    """Return the mean of the points at which curves cross the ray at ``angle``."""
    found = []
    for points in curves:
        u, s = np.array(points).T
        # How far below the ray a point lies: it grows along the curve, linearly between its points.
        below = u * np.sin(angle) - s * np.cos(angle)
        found.append((np.interp(0.0, below, u), np.interp(0.0, below, s)))
    mean = np.mean(found, 0)
    return float(mean[0]), float(mean[1])


def _in_percent(points: Sequence[Point]) -> list[Point]:
    return [(100 * x, 100 * y) for x, y in points]


def _harmonic(plot: Plot) -> None:
    """Draw lines of equal H: S = H·U / (2U − H)."""
    for value in HARMONIC:
        u = np.linspace(value / (2 - value), 1.0, 40)
        line = _in_percent(list(zip(u.tolist(), (value * u / (2 * u - value)).tolist(), strict=True)))
        plot.line(line, "iso")
        plot.text(plot.across(100 * value) + 2, plot.up(100 * value) - 2, f"H {100 * value:.0f}", "faint")


def differences(comparison: Comparison, classifier: str) -> Figure:
    """Draw enhanced less baseline of every seed for a few metrics, with mean and 95 % interval."""
    metrics = [row.metric for row in comparison.summary if row.classifier == classifier and row.metric in PAIRED]
    arms = [comparison.by_seed(arm, classifier) for arm in ARMS]
    by_metric = {
        metric: {seed: 100 * (getattr(run, metric) - getattr(arms[0][seed], metric)) for seed, run in arms[1].items()}
        for metric in metrics
    }
    rows = {metric: comparison.row(classifier, metric).difference for metric in metrics}
    ends = [100 * end for row in rows.values() for end in (row.low, row.high) if end is not None and row.n > 2]
    values = [value for own in by_metric.values() for value in own.values()]
    height = 46 + 34 * len(metrics)
    plot = Plot(WIDTH, height, span([*values, *ends], zero=True), (0, len(metrics)), left=58, top=4)
    plot.x_axis("enhanced less baseline, percent points")
    plot.line([(0, 0), (0, len(metrics))], "zero")
    said = []
    for place, (metric, row) in enumerate(rows.items()):
        middle = len(metrics) - place - 0.5
        plot.text(plot.left - 8, plot.up(middle) + 4, NAMES[metric], anchor="end")
        if row.low is not None and row.high is not None:
            low, high = (min(max(100 * end, plot.x[0]), plot.x[1]) for end in (row.low, row.high))
            plot.line([(low, middle - LANE), (high, middle - LANE)], "interval")
        for seed, value in by_metric[metric].items():
            plot.dot(value, middle + LANE, "seed", f"seed {seed}: {signed(value / 100)} points", 3.5)
        plot.dot(100 * row.mean, middle - LANE, "mean-mark", f"mean: {signed(row.mean)} points", 4.5, square=True)
        limits = f", interval {interval(row)}" if row.low is not None else ""
        said.append(f"{NAMES[metric]} {signed(row.mean)}{limits}, {row.wins} of {row.n} seeds gained")
    alt = f"Paired differences, {classifier} classifier, in percent points. " + "; ".join(said) + "."
    n = len(arms[1])
    bars = "" if n == 1 else "; bars: 95 % Student-t interval of the mean" + (", cut off at the edge" if n == 2 else "")
    return Figure(
        f"{classifier} classifier",
        plot.render(alt),
        f"Dots: seeds, each against its own baseline; squares: mean{bars}.",
    )


def confusion(comparison: Comparison, classifier: str) -> Figure | None:
    """Draw how much of unseen is taken for seen and the reverse; ``None`` where the results do not hold it."""
    found = {row.metric: row for row in comparison.summary if row.classifier == classifier and row.metric in CONFUSION}
    if len(found) < len(CONFUSION):
        return None
    plot = Plot(WIDTH, 190, (0, 100), (0, 4), left=112, right=14, top=4)
    plot.x_axis("mean share of a class's test images, %")
    said = []
    for place, (metric, arm) in enumerate((metric, arm) for metric in CONFUSION for arm in ARMS):
        row = found[metric]
        mean, std = (
            (row.baseline_mean, row.baseline_std) if arm == "baseline" else (row.enhanced_mean, row.enhanced_std)
        )
        middle = plot.up(3.5 - place)
        width = plot.across(100 * mean) - plot.left
        plot.add("rect", x=plot.left, y=middle - 11, width=width, height=22, class_=arm_css(arm, "bar"))
        plot.text(plot.left - 6, middle - 1, NAMES[metric], arm_css(arm, "strong"), "end")
        plot.text(plot.left - 6, middle + 11, arm, arm_css(arm, ""), "end")
        inside = mean > 0.75
        place_x = plot.across(100 * mean) + (-5 if inside else 5)
        plot.text(
            place_x,
            middle + 4,
            spread(mean, std),
            arm_css(arm, "on-bar" if inside else ""),
            "end" if inside else "start",
        )
        said.append(f"{NAMES[metric]}, {arm}: {spread(mean, std)} %")
    alt = f"Confusion of seen and unseen classes, {classifier} classifier. " + "; ".join(said) + "."
    caption = (
        "unseen→seen: test images of unseen classes taken for any seen class; seen→unseen: the reverse. Shorter is "
        "better. Numbers: mean ± standard deviation over seeds."
    )
    return Figure(f"{classifier} classifier", plot.render(alt), caption)
