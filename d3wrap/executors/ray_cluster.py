"""Jobs on Ray: the cores of this machine, or a cluster of workstations or cloud machines."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
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
        self._ray, self._jobs, self._address = ray, jobs, address
        # A task that dies is reported, not tried again: running out of memory would only happen once more.
        self._options = {"num_cpus": num_cpus, "num_gpus": num_gpus, "max_retries": 0}

    def run(self, function: Callable[[Item], object], items: Sequence[Item]) -> Generator[Ended[Item], None, None]:
        """Call ``function(item)`` for each item; see :class:`~d3wrap.executors.executor.Executor`."""
        ray, waiting, running = self._ray, deque(items), dict[Any, Item]()
        if not waiting:
            return
        started = self._start()
        call = ray.remote(fault_of).options(**self._options)
        try:
            while waiting or running:
                while waiting and len(running) < self._jobs:
                    item = waiting.popleft()
                    running[call.remote(function, item)] = item
                for task in ray.wait(list(running))[0]:
                    yield self._ended(task, running.pop(task))
        finally:
            for task in running:
                ray.cancel(task, force=True)
            if started:
                ray.shutdown()

    def _start(self) -> bool:
        """Start Ray or join its cluster; return whether this was needed."""
        if self._ray.is_initialized():
            return False
        cpus = max(round(self._jobs * self._options["num_cpus"]), 1)
        where = {"num_cpus": cpus} if self._address is None else {"address": self._address}
        try:
            self._ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **where)
        except (ConnectionError, ValueError, RuntimeError) as error:
            message = f"--executor-option: Ray cannot be reached at address={self._address}: {error}"
            raise ConfigError(message) from error
        return True

    def _ended(self, task: Any, item: Item) -> Ended[Item]:
        try:
            return Ended(item, self._ray.get(task))
        except self._ray.exceptions.RayError as error:
            return Ended(item, f"its Ray worker died: {str(error).splitlines()[0]}", died=True)


def from_options(jobs: int, options: Mapping[str, Any], threads: int | None) -> RayExecutor:
    """Return the executor for command-line options; a run asks for as many CPUs as it has threads."""
    known = {"address", "num_cpus", "num_gpus"}
    if unknown := sorted(set(options) - known):
        raise ConfigError(
            f"--executor-option: ray has no option {', '.join(unknown)} (known: {', '.join(sorted(known))})"
        )
    return RayExecutor(jobs, **{"num_cpus": threads or 1, **options})
