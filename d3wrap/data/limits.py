"""How large a file may be and what reading it may cost."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """Bounds on reading one file that somebody else made; beyond them :class:`~d3wrap.errors.DataError` is raised.

    The defaults fit the features of every published benchmark with room to spare.
    """

    file_bytes: int = 4 * GIB
    """Largest file that is opened."""
    memory_bytes: int = 12 * GIB
    """Address space of the process that parses a ``.mat`` file; unpacked size of an ``.npz`` file."""
    seconds: float = 300.0
    """Longest time a ``.mat`` file may take to parse."""


DEFAULT_LIMITS = Limits()
