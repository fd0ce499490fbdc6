"""Fractions as people read them: percent, points, intervals."""

from __future__ import annotations

from d3wrap.comparison.statistics import PairedDifference
from d3wrap.report.svg import MINUS

NAMES = {
    "T1": "T1",
    "U": "U",
    "S": "S",
    "H": "H",
    "AUSUC": "AUSUC",
    "AUROC": "AUROC",
    "ECE": "ECE",
    "unseen_as_seen": "unseen→seen",
    "seen_as_unseen": "seen→unseen",
    "U_gamma": "U at γ",
    "S_gamma": "S at γ",
    "H_gamma": "H at γ",
}
MEANINGS = {
    "T1": "accuracy of unseen images among unseen classes only",
    "U": "accuracy of unseen images, all classes competing",
    "S": "accuracy of seen images, all classes competing",
    "H": "harmonic mean of U and S",
    "AUSUC": "area under the seen–unseen curve",
    "AUROC": "how well seen images are told from unseen ones; 50 is not at all",
    "ECE": "calibration error; lower is better",
    "unseen_as_seen": "unseen images taken for a seen class; lower is better",
    "seen_as_unseen": "seen images taken for an unseen class; lower is better",
    "U_gamma": "U with the validated γ taken off seen scores",
    "S_gamma": "S with the validated γ taken off seen scores",
    "H_gamma": "H with the validated γ taken off seen scores",
}
LOWER_IS_BETTER = ("ECE", "unseen_as_seen", "seen_as_unseen")


def percent(fraction: float, decimals: int = 1) -> str:
    """Return ``64.7`` for 0.647."""
    return f"{100 * fraction:.{decimals}f}"


def signed(fraction: float, decimals: int = 1) -> str:
    """Return percent points with their sign, ``+2.0`` or ``−3.9``; what rounds to zero has none."""
    text = percent(abs(fraction), decimals)
    if not float(text):
        return text
    return ("+" if fraction > 0 else MINUS) + text


def interval(difference: PairedDifference) -> str:
    """Return ``−3.9 to +7.9``, or nothing for a single seed."""
    if difference.low is None or difference.high is None:
        return ""
    return f"{signed(difference.low)} to {signed(difference.high)}"


def spread(mean: float, std: float | None) -> str:
    """Return ``64.7 ± 1.2``, or the mean alone for a single seed."""
    return percent(mean) if std is None else f"{percent(mean)} ± {percent(std)}"


def p_value(p: float) -> str:
    """Return ``= 0.031``, never ``= 0.000``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def seeds(count: int) -> str:
    """Return ``6 seeds`` or ``1 seed``."""
    return f"{count} seed{'' if count == 1 else 's'}"
