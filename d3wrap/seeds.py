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
def initialising(seed: int, purpose: str, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global streams, the CPU's and ``device``'s, inside the block and restore them after.

    What cannot be given a stream draws there: the initialisation of networks, and dropout.
    """
    device = torch.device(device)
    own = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=own):
        # torch.manual_seed would move the streams of every other device, for good.
        torch.default_generator.manual_seed(derive(seed, purpose))
        for one in own:
            with torch.cuda.device(one):
                torch.cuda.manual_seed(derive(seed, purpose))
        yield
