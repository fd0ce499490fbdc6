"""One run as a job of its own: any process that can see its folder can do it, and do it again."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from d3wrap.comparison.job import exactly, write_error
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.run_lock import locked
from d3wrap.distilling.data import DistillData
from d3wrap.distilling.opening import Source, open_data
from d3wrap.distilling.recipe import Recipe
from d3wrap.distilling.run import run_distillation
from d3wrap.distilling.settings import DistillSettings
from d3wrap.training.precision import Precision

_OPEN: dict[Any, DistillData] = {}
"""The data opened last, by what they are of."""


@dataclass(frozen=True)
class DistillJob:
    """What a process needs to know to distil one student; it can be pickled."""

    source: Source
    recipe: Recipe
    settings: DistillSettings
    seed: int
    folder: Path
    plugins: Sequence[str]
    """Names of the plugins to load, these alone."""
    device: str = "auto"
    precision: Precision = "exact"
    threads: int | None = None
    checkpoint_every: float = 60.0
    command: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Return the run in words."""
        return f"{self.recipe.label}, seed {self.seed}"


def do_job(job: DistillJob) -> None:
    """Do a job, or what is left of it.

    Whatever is raised is also written to ``error.txt``, with its traceback. Raises
    :class:`~d3wrap.errors.DataError` where another process is at it.
    """
    folder = RunFolder(job.folder, resume=True)
    with locked(folder.path):
        folder.clean()
        try:
            run_distillation(
                opened(job),
                job.recipe,
                job.settings,
                seed=job.seed,
                plugins=exactly(job.plugins),
                folder=folder,
                made_of=job.source.described(),
                precision=job.precision,
                checkpoint_every=job.checkpoint_every,
                command=job.command,
            )
        except Exception:
            write_error(folder.path, traceback.format_exc())
            raise


def opened(job: DistillJob) -> DistillData:
    """Return the data of a job; jobs of one process that need the same share them.

    The process computes with the job's number of threads from here on, since the last bits of the text features depend
    on it: so they are the same whether this process does the job or another one.
    """
    if job.threads:
        torch.set_num_threads(job.threads)
    key = (repr(job.source), job.settings, job.device, job.threads)
    if key not in _OPEN:
        _OPEN.clear()
        _OPEN[key] = open_data(job.source, job.settings, job.device)
    return _OPEN[key]
