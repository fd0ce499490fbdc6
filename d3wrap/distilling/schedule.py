"""Learning rates by step, as a function of the step alone, so that nothing of them has to be kept."""

from __future__ import annotations

import math

from d3wrap.distilling.settings import DistillSettings

WARM = 0.3
"""Share of a ``onecycle`` schedule in which the rate goes up (torch's default)."""
BEGIN, END = 1 / 25, 1 / 25e4
"""Its rates at the begin and at the end, as shares of the highest (torch's defaults)."""


def rate(settings: DistillSettings, step: int, steps: int, epochs: int, highest: float) -> float:
    """Return the rate of a step in 0 … steps − 1 of ``epochs`` epochs.

    ``onecycle`` goes from highest/25 up to ``highest`` over the first 30 % and down to almost nothing, both along
    cosines (Smith and Topin 2019, in torch's form; momentum stays). ``step`` multiplies ``highest`` by ``gamma`` at
    each of ``milestones``, in epochs.
    """
    if settings.schedule == "step":
        epoch = step * epochs // steps
        return highest * settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones)
    top = max(WARM * steps - 1, 0.0)
    if step <= top:
        return highest * _between(BEGIN, 1.0, step / top if top else 1.0)
    return highest * _between(1.0, END, (step - top) / max(steps - 1 - top, 1e-9))


def _between(begin: float, end: float, share: float) -> float:
    return end + (begin - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
