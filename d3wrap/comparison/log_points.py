"""Which log points of a run are measured besides its last step."""

from __future__ import annotations

LAST = 5
"""Log points, the last step among them, whose mean is reported beside the last."""
CANDIDATES = 10
"""Log points that the protocol of the papers chooses from."""


def wanted(steps: int, log_every: int, protocol: str) -> set[int]:
    """Return the steps before the last whose weights are kept, all of them ends of log intervals."""
    points = [*range(log_every, steps, log_every)]
    kept = set(points[-(LAST - 1) :])
    if protocol == "paper":
        count = min(CANDIDATES - 1, len(points))
        kept |= {points[round(i * (len(points) - 1) / max(count - 1, 1))] for i in range(count)}
    return kept
