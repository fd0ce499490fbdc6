"""How far runs are, read from their folders, so that it does not matter where they run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["waiting", "choosing", "training", "measuring", "done", "failed"]
TAIL = 1 << 14
"""Bytes at the end of ``metrics.jsonl`` that hold its last line."""


@dataclass(frozen=True)
class RunProgress:
    """Where a run is: its state, steps done of how many (0 where unknown), and its last losses.

    While it is choosing, the steps are those in all its validation worlds.
    """

    state: State
    step: int = 0
    total: int = 0
    losses: dict[str, float] = field(default_factory=dict)


def run_progress(folder: Path) -> RunProgress:
    """Return how far the run in ``folder`` is."""
    last = _last_line(folder / "metrics.jsonl")
    if not last and (choosing := _choosing(folder / "choice")):
        return choosing if not (folder / "error.txt").exists() else replace(choosing, state="failed")
    state: State = "training" if last else "waiting"
    for name, meaning in (("error.txt", "failed"), ("result.json", "done"), ("training.json", "measuring")):
        if (folder / name).exists():
            state = meaning  # type: ignore[assignment]
            break
    return RunProgress(state, last.get("step", 0), last.get("total", 0), last.get("losses", {}))


def _choosing(folder: Path) -> RunProgress | None:
    """Return how far a choice is that is under way, ``None`` where nothing says so yet."""
    lines = [_last_line(fold / "metrics.jsonl") for fold in sorted(folder.glob("fold-*"))]
    begun = [line for line in lines if line]
    if not begun:
        return None
    total = begun[0].get("total", 0) * len(lines)
    return RunProgress("choosing", sum(line.get("step", 0) for line in begun), total, begun[-1].get("losses", {}))


def _last_line(path: Path) -> dict[str, Any]:
    """Return the last whole line of a file of JSON lines, empty where there is none."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(size - TAIL, 0))
            lines = stream.read().split(b"\n")[:-1]
        found = json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
