"""Numbers as the terminal's tables show them: percent, and changes in colour where they are sure."""

from __future__ import annotations

from rich.text import Text

from d3wrap.comparison.statistics import PairedDifference


def spread(mean: float, std: float | None) -> str:
    """Return ``64.7±1.2``, or the mean alone for a single seed."""
    return f"{100 * mean:.1f}" if std is None else f"{100 * mean:.1f}±{100 * std:.1f}"


def change(difference: PairedDifference) -> Text:
    """Return ``+2.00±1.10`` percent points, green or red where the interval leaves out 0."""
    text = ("+" if difference.mean >= 0 else "−") + short(abs(difference.mean))
    if difference.low is None or difference.high is None:
        return Text(text)
    style = "green" if difference.low > 0 else "red" if difference.high < 0 else ""
    return Text(f"{text}±{short(difference.high - difference.mean)}", style)


def short(fraction: float) -> str:
    """Return percent points in four characters at most."""
    percent = 100 * fraction
    return f"{percent:.2f}" if percent < 9.995 else f"{percent:.1f}" if percent < 99.95 else f"{percent:.0f}"
