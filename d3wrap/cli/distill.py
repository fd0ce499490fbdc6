"""``d3wrap distill``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from d3wrap.cli.config_option import config_option
from d3wrap.cli.distill_options import distill_options, texts_of
from d3wrap.cli.doing import counted
from d3wrap.cli.many_runs import ManyRuns, many_runs
from d3wrap.config import Override, apply_overrides
from d3wrap.distilling.export import draw_neighbours, export_features
from d3wrap.distilling.job import DistillJob, do_job, opened
from d3wrap.distilling.opening import Source
from d3wrap.distilling.recipe import parse_recipe
from d3wrap.distilling.run import DistillResult
from d3wrap.distilling.settings import PRESETS
from d3wrap.distilling.table import recipe_tables, summary
from d3wrap.errors import ConfigError, TrainingError
from d3wrap.executors import Executor
from d3wrap.files import write_json
from d3wrap.manager import load_plugins


@click.command()
@distill_options
@many_runs("distill")
@config_option
def distill(
    recipes: Sequence[str],
    texts: Sequence[str],
    weights: Sequence[Override],
    preset: str,
    settings: Sequence[Override],
    seeds: tuple[int, ...],
    runs: ManyRuns,
    export: bool,
    pictures: bool,
    **options: Any,
) -> None:
    """Distil a teacher's features into a small student, and measure it on classes it was never trained on.

    The student learns from images (--images) or features; the teacher's features are the dataset's, or a file. Each
    --recipe is trained from each seed and shown in one table, paired by seed.

    \b
    Start here:
      d3wrap distill --data digits --preset features --recipe cls --recipe mse+contrastive --seeds 3
      d3wrap distill --data data/FLO --features mbv2 --images images64.zip --recipe cls --recipe cls+contrastive
      d3wrap distill --data data/FLO --features mbv2 --images images64.zip --text names=names.safetensors
      d3wrap distill --config distill.yaml --pictures --export

    Stopped or killed, the same command with
    the same --out goes on; it may then have other recipes and seeds, and what is finished is not repeated.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    plugins = load_plugins()
    chosen = apply_overrides(PRESETS[preset], settings)
    named = texts_of(texts)
    numbers = {one.key.replace("_", "-"): one.value for one in weights}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"--weight {name}: expected a number, found {value!r}")
    parsed = [parse_recipe(one, list(named), numbers, plugins) for one in recipes]
    folder = runs.folder
    threads = runs.threads(options["threads"])
    config = {
        **options,
        "texts": dict(named),
        "weights": numbers,
        "preset": preset,
        "settings": {one.key: one.value for one in settings},
        "threads": threads,
    }
    source = Source(
        source=options["source"],
        texts=named,
        cache=str(folder / "pixels"),
        **{name: options[name] for name in _PLACES},
    )
    jobs = [
        DistillJob(
            source=source,
            recipe=recipe,
            settings=chosen,
            seed=seed,
            folder=folder / recipe.folder / f"seed-{seed}",
            plugins=plugins.names,
            device=options["device"],
            precision=options["precision"],
            threads=threads,
            checkpoint_every=runs.checkpoint_every,
            command=sys.argv,
        )
        for seed in seeds
        for recipe in parsed
    ]
    with runs.checking():
        executor = runs.begin(config, threads)
        data = opened(jobs[0])  # whatever is wrong with it shows before anything is trained
    dataset = data.dataset
    click.echo(
        f"{dataset.name}: {len(dataset.train)} training rows of {len(dataset.seen)} seen classes, "
        f"{len(dataset.unseen)} unseen classes; {counted(len(jobs), 'run')} in {folder}/"
    )
    with runs.stoppable():
        results = _do(jobs, executor, folder)
    if export:
        for job in jobs:
            path = job.folder / "features.safetensors"
            export_features(job, opened(job), path)
            click.echo(f"{job.label}: features in {path}")
    if pictures:
        for job in jobs:
            path = job.folder / "neighbours.png"
            draw_neighbours(job, opened(job), path)
            click.echo(f"{job.label}: neighbours in {path}")
    order = {recipe.label: place for place, recipe in enumerate(parsed)}
    results.sort(key=lambda one: (order[one.recipe], one.seed))
    write_json(folder / "results.json", {"recipes": summary(results), "command": sys.argv})
    click.echo()
    Console().print(recipe_tables(results))


_PLACES = (
    *("features", "split", "images", "inputs", "teacher", "teacher_weights", "teacher_random_weights", "captions"),
    *("train_fraction", "fraction_seed"),
)


def _do(jobs: Sequence[DistillJob], executor: Executor, folder: Path) -> list[DistillResult]:
    """Do all runs and return what they reached; raise :class:`TrainingError` where some failed."""
    failed, found = [], []
    for ended in executor.run(do_job, jobs):
        one = DistillResult.read(ended.item.folder / "result.json")
        if ended.fault is not None or one is None:
            failed.append(f"{ended.item.label}: {ended.fault or 'left no result'}")
            continue
        found.append(one)
        reached = f"in-distribution {100 * one.values['in_distribution']:.1f}"
        click.echo(
            f"{ended.item.label}  {one.seconds:5.0f} s   {reached}   zero-shot {100 * one.values['zero_shot']:.1f}"
        )
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(jobs)} runs failed: {'; '.join(failed)}. The same command with --out {folder} "
            "does what is left"
        )
    return found
