"""One arm with one trial's settings from one seed: trained in validation worlds, and what it reached there."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from d3wrap.comparison.choosing import FILE, FOLDER, made_choice, read_choice
from d3wrap.comparison.job import Job, exactly, open_dataset, write_error
from d3wrap.comparison.run import build, describe
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.run_lock import locked
from d3wrap.errors import ConfigError, DataError, ShapeError, TrainingError
from d3wrap.files import write_json
from d3wrap.protocol import Vault

FAILED = "failed.json"
OF_SETTINGS = (TrainingError, ConfigError, ShapeError, RuntimeError, ValueError, ArithmeticError, MemoryError)
"""What settings can be to blame for: the search goes on with others. Anything else stops it, and it can go on."""


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to: the criterion in the validation worlds, or the fault that ended it, and seconds."""

    reached: float | None
    fault: str | None
    seconds: float


def attempt(job: Job) -> None:
    """Train an arm in its validation worlds and leave ``choice.json`` in the job's folder, or ``failed.json``.

    What is there already is not done again, and training goes on from a checkpoint. Test rows stay in a vault that is
    never opened. Raises what no settings are to blame for; whatever ends it early is in ``error.txt`` too.
    """
    folder = RunFolder(job.folder, resume=True)
    with locked(folder.path):
        if outcome(folder.path) is None:
            folder.clean()
            _try(job, folder)
        # What a training goes on from is of no use any more; a process that was killed may have left it.
        shutil.rmtree(folder.path / FOLDER, ignore_errors=True)


def ended(folder: Path) -> bool:
    """Tell whether nothing is left to do in ``folder``, not even to remove something."""
    return outcome(folder) is not None and not (folder / FOLDER).exists()


def outcome(folder: Path) -> Outcome | None:
    """Return what the attempt in ``folder`` came to, ``None`` where it has not ended.

    Raises :class:`~d3wrap.errors.DataError` for a file that d3wrap would not have written.
    """
    if (folder / FILE).exists():
        choice = read_choice(folder / FILE)
        return Outcome(choice.score, None, choice.seconds)
    if not (folder / FAILED).exists():
        return None
    try:
        stored = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        return Outcome(None, str(stored["fault"]), float(stored["seconds"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder / FAILED}: not as d3wrap wrote it ({error}); remove it") from error


def _try(job: Job, folder: RunFolder) -> None:
    began = time.perf_counter()
    try:
        _train(job, folder)
    except Exception as error:
        write_error(folder.path, traceback.format_exc())
        if not isinstance(error, OF_SETTINGS):
            raise
        fault = f"{type(error).__name__}: {error}"
        write_json(folder.path / FAILED, {"fault": fault, "seconds": time.perf_counter() - began})


def _train(job: Job, folder: RunFolder) -> None:
    if job.threads:
        torch.set_num_threads(job.threads)
    plan, arm, seed = job.plan, job.arm, job.seed
    plugins = exactly(job.plugins)
    sealed = Vault(open_dataset(job)).sealed
    backbone, _ = build(plan, sealed, arm, seed, plugins)
    folder.begin(describe(plan, sealed, arm, seed, backbone, plugins, job.command))
    made_choice(
        folder,
        lambda world: build(plan, world, arm, seed, plugins),
        sealed,
        seed=seed,
        search=plan.search,
        classifiers=list(plan.classifiers),
        embedding_dim=plan.d3.embedding_dim,
        precision=plan.precision,
        checkpoint_every=job.checkpoint_every,
    )
