"""Executors by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d3wrap.errors import ConfigError
from d3wrap.executors import ray_cluster, slurm
from d3wrap.executors.executor import Executor
from d3wrap.executors.local import LocalExecutor

EXECUTORS = ("local", "slurm", "ray")


def make_executor(
    name: str, jobs: int, *, folder: Path, options: Mapping[str, Any] | None = None, threads: int | None = None
) -> Executor:
    """Return an executor of :data:`EXECUTORS` that does at most ``jobs`` jobs at once.

    ``folder`` is for its own files, ``options`` are its own, and ``threads`` is how many CPUs a job uses. Raises
    :class:`~d3wrap.errors.ConfigError` for an option it does not have,
    :class:`~d3wrap.errors.MissingExtraError` where the engine is not installed.
    """
    options = options or {}
    if name == "slurm":
        return slurm.from_options(folder, jobs, options, threads)
    if name == "ray":
        return ray_cluster.from_options(jobs, options, threads)
    if options:
        raise ConfigError(f"--executor-option: local has none, found {', '.join(options)}")
    return LocalExecutor(jobs)
