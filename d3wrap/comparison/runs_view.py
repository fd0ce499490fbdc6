"""All runs of a comparison in one view, wherever they run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from d3wrap.comparison.job import Job
from d3wrap.comparison.run_progress import RunProgress, run_progress

REFRESH = 0.5
"""Seconds between looks at the folders where somebody looks at the view."""
LINES = 60.0
"""Seconds between lines where nobody does, e.g. in a cluster's log."""
UNDER_WAY = ("choosing", "training", "measuring")
SHOWN = 3
"""Losses a bar has room for."""


@contextlib.contextmanager
def viewing(jobs: Sequence[Job], *, console: Console | None = None, lines: float = LINES) -> Iterator[None]:
    """Show on standard error how far the runs are while the block goes on.

    On a terminal a bar for each run under way and one for all, which disappear at the end; elsewhere now and then a
    line.
    """
    console = console or Console(stderr=True)
    live: _Bars | _Lines = _Bars(jobs, console) if console.is_terminal else _Lines(jobs, console)
    stop, wait = threading.Event(), REFRESH if console.is_terminal else lines

    def watch() -> None:
        while not stop.wait(wait):
            live.look()

    thread = threading.Thread(target=watch, daemon=True)
    with live:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class _Bars:
    """A bar for all runs, and one for each that is under way."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self.jobs = jobs
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            transient=True,
        )
        self.all = self.bars.add_task("all runs", total=len(jobs), note="")
        self.tasks = [self.bars.add_task(job.label, total=None, note="", visible=False, start=False) for job in jobs]

    def __enter__(self) -> None:
        self.bars.start()

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def look(self) -> None:
        """Read how far the runs are."""
        ended = 0
        for job, task in zip(self.jobs, self.tasks, strict=True):
            progress = run_progress(job.folder)
            ended += progress.state in ("done", "failed")
            under_way = progress.state in UNDER_WAY
            if under_way:
                self.bars.start_task(task)
            self.bars.update(
                task,
                completed=progress.step,
                total=progress.total or None,
                visible=under_way,
                note=_note(progress),
            )
        self.bars.update(self.all, completed=ended)


class _Lines:
    """A line about what is under way."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self.jobs, self.console = jobs, console
        self.began = time.monotonic()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def look(self) -> None:
        """Read how far the runs are, and say so."""
        found = [(job.label, run_progress(job.folder)) for job in self.jobs]
        ended = sum(progress.state in ("done", "failed") for _, progress in found)
        under_way = [f"{label}: {_line(progress)}" for label, progress in found if progress.state in UNDER_WAY]
        seconds = time.monotonic() - self.began
        nothing = "none is under way" if ended else "none has begun"
        self.console.print(
            f"{seconds:.0f} s: {ended} of {len(found)} runs ended; {'; '.join(under_way) or nothing}",
            soft_wrap=True,
            highlight=False,
        )


def _line(progress: RunProgress) -> str:
    """Return how far a run is, in a few words."""
    steps = f"{progress.step}/{progress.total}"
    return {"choosing": f"choosing {steps}", "training": steps}.get(progress.state, progress.state)


def _note(progress: RunProgress) -> str:
    """Return the last losses in the iteration's order: those of the enhanced phase and of D³."""
    if progress.state != "training":
        return progress.state
    last = list(progress.losses.items())[-SHOWN:]
    return "  ".join(f"{name.rpartition('/')[2].rpartition('.')[2]} {value:.3g}" for name, value in last)
