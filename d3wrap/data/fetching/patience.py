"""How long to try, how long to wait, and how much to accept from a stranger's server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from d3wrap.data.limits import GIB

MIB = 2**20


@dataclass(frozen=True)
class Patience:
    """Bounds on one download and on what is unpacked of it."""

    idle_tries: int = 5
    """Tries in a row that bring nothing new before an address is given up."""
    tries: int = 200
    """Tries in all, for an address that brings a little each time."""
    first_wait: float = 1.0
    """Seconds after the first of such tries; they double with each."""
    longest_wait: float = 60.0
    """Seconds beyond which no wait grows, nor one that the server asks for."""
    connect_seconds: float = 15.0
    """Longest time until a connection stands."""
    read_seconds: float = 60.0
    """Longest silence in a transfer."""
    chunk_bytes: int = MIB // 4
    """How much is read at once; as much is lost when a connection drops."""
    archive_bytes: int = 16 * GIB
    """Largest download."""
    member_bytes: int = 4 * GIB
    """Largest file that is unpacked."""
    ratio: int = 200
    """Most bytes that one packed byte may become."""
    spare_bytes: int = 64 * MIB
    """Disk space that must stay free."""
    wait: Callable[[float], None] = time.sleep
    """What waits; tests replace it."""

    def pause(self, idle: int, asked: float | None = None) -> float:
        """Return the seconds to wait after ``idle`` tries in vain, at least those the server asked for, if short."""
        seconds = self.first_wait * 2 ** max(idle - 1, 0)
        return min(max(seconds, asked or 0.0), self.longest_wait)
