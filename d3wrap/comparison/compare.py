"""Baseline and enhanced arms of several generators and seeds, each run a job of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from d3wrap.comparison.job import Job, finished, run_job, write_error
from d3wrap.comparison.picture import digit_sheet
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.run import Arm, Plan
from d3wrap.comparison.storage import Results, write_results
from d3wrap.comparison.stored import load_trained
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import D3WrapWarning, MissingExtraError
from d3wrap.evaluation.modes import evaluating
from d3wrap.executors.executor import Executor
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins
from d3wrap.seeds import stream

ARMS: tuple[Arm, ...] = get_args(Arm)
PICTURES = 12
"""Generated pictures of each unseen class and arm, where features are pictures."""

Watch = Callable[[Sequence[Job]], AbstractContextManager[None]]
"""Called with the jobs to do; shows how far they are."""
OnResult = Callable[[Sequence[RunResult], bool], None]
"""Told of each run's results, and whether they were there before."""


@dataclass(frozen=True)
class Failure:
    """A run that gave no result; ``error.txt`` in the job's folder has the whole story."""

    job: Job
    fault: str


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to: the results of all complete pairs, ``None`` where there is none, and what failed."""

    results: Results | None
    failures: Sequence[Failure]


def make_jobs(plans: Iterable[Plan], seeds: Sequence[int], out: Path, **options: Any) -> list[Job]:
    """Return a job for both arms of every plan and seed, in that order; ``options`` are further fields of a job.

    Each has its folder, ``GENERATOR/seed-N/ARM`` in ``out``.
    """
    return [
        Job(plan, arm, seed, out / plan.generator / f"seed-{seed}" / arm, **options)
        for plan in plans
        for seed in seeds
        for arm in ARMS
    ]


def compare(
    jobs: Sequence[Job],
    dataset: GZSLDataset,
    plugins: Plugins,
    out: Path,
    *,
    executor: Executor,
    watch: Watch,
    on_result: OnResult,
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Comparison:
    """Do the jobs that are not done yet and write ``results.json`` and ``results.csv`` into ``out``.

    The arms of a seed share data order, noise and initial weights. Each run has its folder with its manifest, losses,
    weights and ``result.json``; see :func:`~d3wrap.comparison.job.run_job`. Where features are pictures,
    ``GENERATOR/generated.png`` shows real and generated ones of the first complete seed. One run that fails stops no
    other, and what is written holds the pairs that are complete. Raises :class:`~d3wrap.errors.DataError` before
    anything is done where a job's folder holds another run.
    """
    found = {job.folder: finished(job, dataset, plugins) for job in jobs}
    for runs in filter(None, found.values()):
        on_result(runs, True)
    failures = []
    waiting = _longer_first(job for job in jobs if not found[job.folder])
    # Closed whatever happens, so that no process goes on when this one was stopped.
    with watch(waiting), closing(executor.run(run_job, waiting)) as running:
        for ended in running:
            job, fault = ended.item, ended.fault
            if fault is None:
                found[job.folder] = finished(job, dataset, plugins)
                if found[job.folder]:
                    on_result(found[job.folder], False)
                    continue
                fault = "it ended, and no result of it can be seen from here: its folder must be on a shared disk"
            if ended.died:
                write_error(job.folder, f"{fault}\n")
            failures.append(Failure(job, fault))
    complete = [job for job in jobs if all(found[job.folder.with_name(arm)] for arm in ARMS)]
    if not complete:
        return Comparison(None, failures)
    _draw_generated(complete, dataset, plugins, out)
    runs = [run for job in complete for run in found[job.folder]]
    return Comparison(write_results(out, runs, config, command), failures)


def _longer_first(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs with the enhanced arm of each seed first: it takes longer, and the last one is waited for."""
    places: dict[Path, int] = {}
    for job in (listed := list(jobs)):
        places.setdefault(job.folder.parent, len(places))
    return sorted(listed, key=lambda job: (places[job.folder.parent], job.arm == "baseline"))


def _draw_generated(jobs: Sequence[Job], dataset: GZSLDataset, plugins: Plugins, out: Path) -> None:
    """Draw ``generated.png`` of each generator, from both arms of its first seed."""
    if dataset.image_shape is None:
        return
    for generator in dict.fromkeys(job.plan.generator for job in jobs):
        own = [job for job in jobs if job.plan.generator == generator]
        seed = own[0].seed
        pictures: dict[str, Tensor] = {
            job.arm: _generated(
                load_trained(job.folder, job.plan, dataset, job.arm, seed, plugins).backbone, dataset, seed
            )
            for job in own
            if job.seed == seed
        }
        path = out / generator / "generated.png"
        _draw(path, pictures, dataset, dataset.image_shape, f"{generator}, seed {seed}")


def _generated(generator: Backbone, dataset: GZSLDataset, seed: int) -> Tensor:
    """Return features of each unseen class, the same noise for both arms; see :func:`_draw`."""
    rng = stream(seed, "pictures", dataset.features.device)
    labels = dataset.unseen.repeat_interleave(PICTURES)
    with evaluating(generator):
        return generator.generate_features(dataset.semantics[labels], rng=rng)


def _draw(
    path: Path, generated: Mapping[str, Tensor], dataset: GZSLDataset, image_shape: tuple[int, int], title: str
) -> None:
    rows = {"real": dataset.features[dataset.test_unseen], **generated}
    if dataset.scaler is not None:
        rows = {name: dataset.scaler.inverse(features) for name, features in rows.items()}
    labels = {name: dataset.unseen.repeat_interleave(PICTURES) for name in generated}
    try:
        digit_sheet(
            path,
            rows,
            {"real": dataset.labels[dataset.test_unseen], **labels},
            classes=dataset.unseen.tolist(),
            class_names=dataset.class_names,
            image_shape=image_shape,
            columns=PICTURES,
            title=title,
        )
    except MissingExtraError as error:
        warnings.warn(D3WrapWarning(f"no picture: {error}"), stacklevel=2)
