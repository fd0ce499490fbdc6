"""A progress bar with losses and time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from d3wrap.training.log import Record

SHOWN = 3
"""Losses the bar has room for."""


@contextlib.contextmanager
def watching(label: str) -> Iterator[Callable[[Record], None]]:
    """Show a bar on standard error while a run goes on; it disappears at the end, and where nobody looks at it."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=None, losses="")

        def show(record: Record) -> None:
            bar.update(task, completed=record.step, total=record.total, losses=_losses(record))

        yield show


def _losses(record: Record) -> str:
    """Return the last losses in the iteration's order: those of the enhanced phase and of D³."""
    last = list(record.losses.items())[-SHOWN:]
    return "  ".join(f"{name.rpartition('/')[2].rpartition('.')[2]} {value:.3g}" for name, value in last)
