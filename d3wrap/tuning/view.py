"""How far the trials under way are, on a terminal."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from d3wrap.comparison.job import Job
from d3wrap.comparison.run_progress import run_progress
from d3wrap.comparison.runs_view import REFRESH


@contextlib.contextmanager
def viewing_round(jobs: Sequence[Job], *, console: Console | None = None, refresh: float = REFRESH) -> Iterator[None]:
    """Show a bar for each training under way while the block goes on; nothing where nobody looks at the terminal."""
    console = console or Console(stderr=True)
    if not console.is_terminal or not jobs:
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=console, transient=True)
    labels = [f"{job.arm}, trial {job.folder.parent.name}, seed {job.seed}" for job in jobs]
    tasks = [bars.add_task(label, total=None, visible=False) for label in labels]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(refresh):
            for job, task in zip(jobs, tasks, strict=True):
                progress = run_progress(job.folder)
                under_way = progress.state == "choosing"
                bars.update(task, completed=progress.step, total=progress.total or None, visible=under_way)

    thread = threading.Thread(target=watch, daemon=True)
    with bars:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
