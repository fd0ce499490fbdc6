"""When to write a checkpoint, and which one to go on from."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d3wrap.checkpoints.store import CheckpointStore
from d3wrap.errors import D3WrapWarning

EVERY = 60.0
"""Seconds between checkpoints, unless one says otherwise."""
SHARE = 0.02
"""Most of the time that checkpoints may take; where they are slow they become rare."""


class Checkpoints:
    """The checkpoints of one run, for :func:`d3wrap.training.loop.fit`.

    One is due ``every`` seconds, later where writing the last one took more than :data:`SHARE` of that; 0 is after
    every step. ``made_with`` is what bits depend on besides settings (versions, threads): a checkpoint made with
    something else is not used. ``journal`` is a file the run appends lines to: after a kill it is cut back to where it
    was when the checkpoint was written, so that no line is missing and none comes twice.
    """

    def __init__(self, folder: Path, every: float, made_with: Mapping[str, Any], journal: Path) -> None:
        self._store = CheckpointStore(folder)
        self._every, self._made_with, self._journal = every, dict(made_with), journal
        self._before = 0.0
        self._began = time.perf_counter()
        self._next = self._began + every

    @property
    def seconds(self) -> float:
        """Seconds the run has taken: up to the checkpoint it went on from, and since."""
        return self._before + time.perf_counter() - self._began

    def load(self) -> dict[str, Any] | None:
        """Return the newest state that can be gone on from, ``None`` where the run begins; the journal is cut back."""
        size = self._journal.stat().st_size if self._journal.exists() else 0
        for header, state in self._store.read():
            changed = [k for k, v in self._made_with.items() if header["made_with"].get(k) != v]
            if changed:
                was = ", ".join(f"{k} {header['made_with'].get(k)} then, {self._made_with[k]} now" for k in changed)
                warnings.warn(
                    D3WrapWarning(f"{self._journal.parent}: this run begins anew, its checkpoint was made with {was}"),
                    stacklevel=2,
                )
                break
            if header["journal_bytes"] <= size:
                self._before = header["seconds"]
                if size:
                    os.truncate(self._journal, header["journal_bytes"])
                return dict(state)
        self._journal.unlink(missing_ok=True)
        self._store.clear()
        return None

    def due(self) -> bool:
        """Tell whether it is time for the next checkpoint."""
        return time.perf_counter() >= self._next

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint of ``step``; see :mod:`d3wrap.checkpoints.packing` for what a state may hold."""
        began = time.perf_counter()
        header = {"seconds": self.seconds, "made_with": self._made_with, "journal_bytes": self._flushed_journal()}
        self._store.write(step, state, header)
        now = time.perf_counter()
        self._next = now + (max(self._every, (now - began) / SHARE) if self._every else 0)

    def clear(self) -> None:
        """Remove all checkpoints: the run has ended."""
        self._store.clear()

    def _flushed_journal(self) -> int:
        if not self._journal.exists():
            return 0
        with self._journal.open("rb+") as stream:
            os.fsync(stream.fileno())
            return os.fstat(stream.fileno()).st_size
