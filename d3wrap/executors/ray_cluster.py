"""Jobs on Ray: the cores of this machine, or a cluster of workstations or cloud machines."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from d3wrap.errors import ConfigError, MissingExtraError
from d3wrap.executors.executor import Ended, Item, fault_of


class RayExecutor:
    """At most ``jobs`` Ray tasks at once, each with ``num_cpus`` and ``num_gpus``, which may be a part of one.

    ``address`` is that of a cluster (``auto``: the one this machine belongs to), ``None`` starts Ray here. Every
    machine needs d3wrap, the data and the output folder at the same paths.
    """

    def __init__(self, jobs: int, *, address: str | None = None, num_cpus: float = 1, num_gpus: float = 0) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "ray", "--executor ray") from error
        self._ray, self._jobs = ray, jobs
        self._started = not ray.is_initialized()
        if self._started:
            here = {"num_cpus": max(round(jobs * num_cpus), 1)} if address is None else {"address": address}
            try:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **here)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ConfigError(f"--executor-option address={address}: Ray cannot be reached: {error}") from error
        # A task that dies is reported, not tried again: running out of memory would only happen once more.
        options = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": 0}
        self._call: Any = ray.remote(fault_of).options(**options)

    def run(self, function: Callable[[Item], object], items: Sequence[Item]) -> Iterator[Ended[Item]]:
        """Call ``function(item)`` for each item; see :class:`~d3wrap.executors.executor.Executor`."""
        ray, waiting, running = self._ray, deque(items), dict[Any, Item]()
        try:
            while waiting or running:
                while waiting and len(running) < self._jobs:
                    item = waiting.popleft()
                    running[self._call.remote(function, item)] = item
                for task in ray.wait(list(running))[0]:
                    yield self._ended(task, running.pop(task))
        finally:
            for task in running:
                ray.cancel(task, force=True)
            if self._started:
                ray.shutdown()

    def _ended(self, task: Any, item: Item) -> Ended[Item]:
        try:
            return Ended(item, self._ray.get(task))
        except self._ray.exceptions.RayError as error:
            return Ended(item, f"its Ray worker died: {str(error).splitlines()[0]}", died=True)


def from_options(jobs: int, options: Mapping[str, Any], threads: int | None) -> RayExecutor:
    """Return the executor for command-line options; a run asks for as many CPUs as it has threads."""
    known = {"address", "num_cpus", "num_gpus"}
    if unknown := sorted(set(options) - known):
        raise ConfigError(f"--executor-option: ray has no option {', '.join(unknown)} (known: {', '.join(known)})")
    return RayExecutor(jobs, **{"num_cpus": threads or 1, **options})
