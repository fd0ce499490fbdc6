"""Jobs on a Slurm cluster, through submitit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from d3wrap.errors import ConfigError, MissingExtraError
from d3wrap.executors.executor import Ended, Item, fault_of

POLL = 1.0
"""Seconds between looks at what has ended."""


class SlurmExecutor:
    """At most ``jobs`` Slurm jobs at once; submitit's files are in ``folder``, which every node must see.

    ``options`` are those of submitit's ``update_parameters``: ``slurm_partition``, ``timeout_min``, ``mem_gb``,
    ``gpus_per_node``, … ``cluster`` is ``slurm``, or ``local`` for processes of this machine. A job that Slurm preempts
    or whose time is over is queued again, and goes on where it was.
    """

    def __init__(self, folder: Path, jobs: int, *, cluster: str = "slurm", poll: float = POLL, **options: Any) -> None:
        try:
            import submitit
        except ImportError as error:
            raise MissingExtraError("submitit", "slurm", "--executor slurm") from error
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._executor.update_parameters(**options)
        except (ValueError, TypeError, NameError, RuntimeError) as error:
            raise ConfigError(f"--executor-option: {error}") from error
        self._jobs, self._poll = jobs, poll

    def run(self, function: Callable[[Item], object], items: Sequence[Item]) -> Generator[Ended[Item], None, None]:
        """Call ``function(item)`` for each item; see :class:`~d3wrap.executors.executor.Executor`."""
        waiting, running = deque(items), list[tuple[Any, Item]]()
        try:
            while waiting or running:
                while waiting and len(running) < self._jobs:
                    item = waiting.popleft()
                    running.append((self._executor.submit(Again(function), item), item))
                for one in [one for one in running if one[0].done()]:
                    running.remove(one)
                    yield self._ended(*one)
                if running:
                    time.sleep(self._poll)
        finally:
            for job, _ in running:
                job.cancel()

    def _ended(self, job: Any, item: Item) -> Ended[Item]:
        try:
            return Ended(item, job.result())
        except Exception as error:
            return Ended(item, f"Slurm job {job.job_id} ended without a result: {error}", died=True)


class Again:
    """A function that submitit may interrupt and queue again, with the same item."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def __call__(self, item: Any) -> str | None:
        """Call the function; see :func:`~d3wrap.executors.executor.fault_of`."""
        return fault_of(self.function, item)

    def checkpoint(self, item: Any) -> Any:
        """Return what to queue in place of this call: the same, for what was done is in the run's folder."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, item)


def from_options(folder: Path, jobs: int, options: Mapping[str, Any], threads: int | None) -> SlurmExecutor:
    """Return the executor for command-line options; a run asks for as many CPUs as it has threads."""
    return SlurmExecutor(folder, jobs, **{"cpus_per_task": threads or 1, "name": "d3wrap", **options})
