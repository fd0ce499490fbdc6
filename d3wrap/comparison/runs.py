"""Do the runs of a comparison that are not done yet, wherever, and gather what all of them reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from d3wrap.comparison.job import Job, finished, run_job, write_error
from d3wrap.comparison.results import RunResult
from d3wrap.data.dataset import GZSLDataset
from d3wrap.executors.executor import Executor
from d3wrap.manager import Plugins

Watch = Callable[[Sequence[Job]], AbstractContextManager[None]]
"""Called with the jobs to do; shows how far they are."""
OnResult = Callable[[Job, Sequence[RunResult], bool], None]
"""Told of each run's results, and whether they were there before."""
Surroundings = Callable[[Job], tuple[GZSLDataset, Plugins]]
"""Gives the dataset and the plugins of a job."""


@dataclass(frozen=True)
class Failure:
    """A run that gave no result; ``error.txt`` in the job's folder has the whole story."""

    job: Job
    fault: str


@dataclass(frozen=True)
class Done:
    """What jobs came to: results by their folder, empty where there is none, and what failed."""

    results: Mapping[Path, Sequence[RunResult]]
    failures: Sequence[Failure]


def do_runs(
    jobs: Sequence[Job], surroundings: Surroundings, *, executor: Executor, watch: Watch, on_result: OnResult
) -> Done:
    """Do the jobs that are not done yet; one that fails stops no other.

    Each run has its folder with its manifest, losses, weights and ``result.json``; see
    :func:`~d3wrap.comparison.job.run_job`. Raises :class:`~d3wrap.errors.DataError` before anything is done where a
    job's folder holds another run.
    """
    found: dict[Path, Sequence[RunResult]] = {job.folder: finished(job, *surroundings(job)) for job in jobs}
    for job in jobs:
        if found[job.folder]:
            on_result(job, found[job.folder], True)
    failures = []
    waiting = longer_first(job for job in jobs if not found[job.folder])
    # Closed whatever happens, so that no process goes on when this one was stopped.
    with watch(waiting), closing(executor.run(run_job, waiting)) as running:
        for ended in running:
            job, fault = ended.item, ended.fault
            if fault is None:
                found[job.folder] = finished(job, *surroundings(job))
                if found[job.folder]:
                    on_result(job, found[job.folder], False)
                    continue
                fault = "it ended, and no result of it can be seen from here: its folder must be on a shared disk"
            if ended.died:
                write_error(job.folder, f"{fault}\n")
            failures.append(Failure(job, fault))
    return Done(found, failures)


def longer_first(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs with the enhanced arm of each pair first: it takes longer, and the last one is waited for."""
    places: dict[Path, int] = {}
    for job in (listed := list(jobs)):
        places.setdefault(job.folder.parent, len(places))
    return sorted(listed, key=lambda job: (places[job.folder.parent], job.arm == "baseline"))
