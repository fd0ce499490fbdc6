"""One run of a comparison as a job of its own: any process that can see its folder can do it, and do it again."""

from __future__ import annotations

import json
import platform
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from d3wrap.checkpoints.checkpoints import EVERY
from d3wrap.comparison.artefacts import write_artefacts
from d3wrap.comparison.identity import require_same
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.run import Arm, Plan, build, describe, measure, results, train
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.run_lock import locked
from d3wrap.comparison.run_loggers import RunLoggers
from d3wrap.comparison.stored import load_trained
from d3wrap.data import GZSLDataset, load_dataset
from d3wrap.errors import DataError, PluginError
from d3wrap.files import atomic_path, write_json
from d3wrap.manager import Plugins, load_plugins
from d3wrap.plugin_discovery import entry_points
from d3wrap.training.precision import resolve_device


@dataclass(frozen=True)
class Job:
    """What a process needs to know to train and measure one arm from one seed; it can be pickled."""

    plan: Plan
    arm: Arm
    seed: int
    folder: Path
    """Where the run leaves everything, and from where it goes on."""
    plugins: Sequence[str] = ()
    """Names of the plugins to load, these alone."""
    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    """CPU threads; ``None`` leaves it to torch."""
    checkpoint_every: float = EVERY
    command: Sequence[str] = ()
    """The command line, for the manifest."""
    log_to: Sequence[str] = ()
    """Names of loggers that are told how the run goes."""
    place: str = ""
    """What tells it from others of the same generator, arm and seed, in words; e.g. the dataset, in a sweep."""
    origin: str = ""
    """The key of a configuration that asked for it, for error messages."""

    @property
    def label(self) -> str:
        """Return the run in words."""
        return f"{self.plan.generator} {self.arm}, {self.place}{', ' if self.place else ''}seed {self.seed}"


def run_job(job: Job) -> None:
    """Do a job, or what is left of it: train, measure, and leave ``result.json`` in its folder.

    What is finished is not repeated, and training goes on from a checkpoint. Whatever is raised is also written to
    ``error.txt``, with its traceback. Raises :class:`~d3wrap.errors.DataError` where another process is at it.
    """
    folder = RunFolder(job.folder, resume=True)
    with locked(folder.path):
        folder.clean()
        try:
            _run(job, folder)
        except Exception:
            write_error(folder.path, traceback.format_exc())
            raise


def write_error(folder: Path, text: str) -> None:
    """Write ``error.txt``: why the run in ``folder`` did not end."""
    with atomic_path(folder / "error.txt") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _run(job: Job, folder: RunFolder) -> None:
    if job.threads:
        torch.set_num_threads(job.threads)
    plan, arm, seed = job.plan, job.arm, job.seed
    dataset, plugins = open_dataset(job), exactly(job.plugins)
    if finished(job, dataset, plugins):
        return
    with RunLoggers(folder.path, plugins, job.log_to, dataset.features.device) as loggers:
        if (folder.path / "training.json").exists():
            _require_same(job, dataset, plugins)
            trained = load_trained(folder.path, plan, dataset, arm, seed, plugins)
            loggers.start()
        else:
            trained = train(
                plan, dataset, arm, seed, plugins, folder,
                checkpoint_every=job.checkpoint_every, command=job.command, loggers=loggers,
            )  # fmt: skip
        measured = measure(plan, seed, trained)
        found = results(plan, dataset, arm, seed, trained, measured)
        write_artefacts(folder, dataset, trained.backbone, measured.final, seed)
        # Before the run counts as finished: killed in between, it is told of again.
        loggers.end(found)
    write_json(folder.path / "result.json", [one.as_dict() for one in found])
    if trained.snapshots is not None:
        trained.snapshots.remove()


def open_dataset(job: Job) -> GZSLDataset:
    """Load the dataset of a job on its device."""
    arguments = dict(job.plan.source)
    dataset = load_dataset(arguments.pop("source"), **arguments)
    return dataset.to(resolve_device(job.device), getattr(torch, job.dtype))


def exactly(names: Sequence[str]) -> Plugins:
    """Load these plugins, whatever this machine's environment says."""
    installed = {point.name for point in entry_points()}
    if missing := sorted(set(names) - installed):
        raise PluginError(f"plugins {', '.join(missing)}: not installed on this machine, {platform.node()}")
    return load_plugins(environ={}, block=sorted(installed - set(names)))


def finished(job: Job, dataset: GZSLDataset, plugins: Plugins) -> list[RunResult]:
    """Return what a job has reached if it is done, else an empty list; nothing is trained.

    A ``result.json`` that d3wrap would not have written, or of other classifiers, counts as none: it is measured again.
    Raises :class:`~d3wrap.errors.DataError` where the folder holds the result of another run.
    """
    try:
        stored = json.loads((job.folder / "result.json").read_text(encoding="utf-8"))
        found = [RunResult.from_dict(one) for one in stored]
    except (OSError, ValueError, TypeError, AttributeError, DataError):
        return []
    if [one.classifier for one in found] != list(job.plan.classifiers):
        return []
    _require_same(job, dataset, plugins)
    return found


def _require_same(job: Job, dataset: GZSLDataset, plugins: Plugins) -> None:
    backbone, _ = build(job.plan, dataset, job.arm, job.seed, plugins)
    expected = describe(job.plan, dataset, job.arm, job.seed, backbone, plugins)
    require_same(job.folder / "manifest.json", expected)
