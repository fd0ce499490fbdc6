"""Baseline and enhanced arms of several generators and seeds, each run a job of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from d3wrap.comparison.job import Job
from d3wrap.comparison.picture import digit_sheet
from d3wrap.comparison.run import Arm, Plan
from d3wrap.comparison.runs import Failure, OnResult, Surroundings, Watch, do_runs
from d3wrap.comparison.storage import Results, write_results
from d3wrap.comparison.stored import load_trained
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import D3WrapWarning, MissingExtraError
from d3wrap.evaluation.modes import evaluating
from d3wrap.executors.executor import Executor
from d3wrap.generator import Backbone
from d3wrap.seeds import stream

ARMS: tuple[Arm, ...] = get_args(Arm)
PICTURES = 12
"""Generated pictures of each unseen class and arm, where features are pictures."""


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
    surroundings: Surroundings,
    out: Path,
    *,
    executor: Executor,
    watch: Watch,
    on_result: OnResult,
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Comparison:
    """Do the jobs that are not done yet and write ``results.json`` and ``results.csv`` into ``out``.

    The arms of a seed share data order, noise and initial weights; see :func:`~d3wrap.comparison.runs.do_runs` for how
    runs are done. Where features are pictures, ``generated.png`` beside the seeds' folders shows real and generated
    ones of the first complete seed. What is written holds the pairs that are complete.
    """
    done = do_runs(jobs, surroundings, executor=executor, watch=watch, on_result=on_result)
    complete = [job for job in jobs if all(done.results.get(job.folder.with_name(arm)) for arm in ARMS)]
    if not complete:
        return Comparison(None, done.failures)
    _draw_generated(complete, surroundings)
    runs = [run for job in complete for run in done.results[job.folder]]
    return Comparison(write_results(out, runs, config, command), done.failures)


def _draw_generated(jobs: Sequence[Job], surroundings: Surroundings) -> None:
    """Draw ``generated.png`` of each generator and dataset, from both arms of its first seed."""
    groups: dict[Path, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.folder.parents[1], []).append(job)
    for folder, own in groups.items():
        dataset, plugins = surroundings(own[0])
        if dataset.image_shape is None:
            continue
        seed = own[0].seed
        pictures: dict[str, Tensor] = {
            job.arm: _generated(
                load_trained(job.folder, job.plan, dataset, job.arm, seed, plugins).backbone, dataset, seed
            )
            for job in own
            if job.seed == seed
        }
        title = f"{own[0].plan.generator}, seed {seed}"
        _draw(folder / "generated.png", pictures, dataset, dataset.image_shape, title)


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
