"""Train the variants of an ablation, paired by seed, each run a job of its own."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d3wrap.ablation.storage import Ablation, write_ablation
from d3wrap.ablation.variants import Variant
from d3wrap.comparison.job import Job
from d3wrap.comparison.runs import Failure, OnResult, Watch, do_runs
from d3wrap.data.dataset import GZSLDataset
from d3wrap.executors.executor import Executor
from d3wrap.manager import Plugins, load_plugins


@dataclass(frozen=True)
class Done:
    """What an ablation came to, ``None`` where no run gave a result, and what failed."""

    ablation: Ablation | None
    failures: Sequence[Failure]


def make_jobs(variants: Sequence[Variant], seeds: Sequence[int], out: Path, **options: Any) -> list[Job]:
    """Return a job for each seed and variant, in that order: what is stopped has whole seeds, which can be paired.

    The baseline is one run a seed, whatever it is compared with. Each run has its folder, ``seed-N/VARIANT`` in
    ``out``; ``options`` are further fields of a job.
    """
    return [
        Job(
            variant.plan,
            variant.arm,
            seed,
            out / f"seed-{seed}" / variant.name,
            plugins=plugins_of(tuple(variant.plan.block)).names,
            place=variant.name,
            **options,
        )
        for seed in seeds
        for variant in variants
    ]


@functools.cache
def plugins_of(block: Sequence[str]) -> Plugins:
    """Return the plugins that are left when some are blocked."""
    return load_plugins(block=block)


def ablate(
    variants: Sequence[Variant],
    jobs: Sequence[Job],
    dataset: GZSLDataset,
    out: Path,
    *,
    executor: Executor,
    watch: Watch,
    on_result: OnResult,
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Done:
    """Do the jobs that are not done yet and write ``ablation.json`` and ``ablation.csv`` into ``out``.

    See :func:`~d3wrap.comparison.runs.do_runs` for how runs are done. A variant is compared over the seeds that it has
    in common with its reference, so a run that failed takes its seed from no other variant.
    """
    done = do_runs(
        jobs,
        lambda job: (dataset, plugins_of(tuple(job.plan.block))),
        executor=executor,
        watch=watch,
        on_result=on_result,
    )
    reached = [
        (one, [run for job in jobs if job.place == one.name for run in done.results[job.folder]]) for one in variants
    ]
    if not any(runs for _, runs in reached):
        return Done(None, done.failures)
    return Done(write_ablation(out, reached, config, command), done.failures)
