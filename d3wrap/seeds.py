"""Independent random streams, one per purpose, all from one seed.

What draws from one stream never moves another, so switching D³ off leaves the baseline's numbers as they were.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derive(seed: int, purpose: str) -> int:
    """Return a 63-bit seed that depends on ``seed`` and ``purpose`` alone."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the random stream of one purpose, e.g. ``"noise"``, on ``device``."""
    return torch.Generator(device=device).manual_seed(derive(seed, purpose))


@contextlib.contextmanager
def initialising(seed: int, purpose: str) -> Iterator[None]:
    """Seed torch's global CPU stream inside the block (network initialisation draws there) and restore it after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, purpose))  # torch.manual_seed would move every device's
        yield
