"""``d3wrap compare``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.doing import counted, line, report_failures
from d3wrap.cli.many_runs import ManyRuns, many_runs
from d3wrap.cli.options import (
    Seeds,
    classifier_option,
    device_options,
    protocol_options,
    split_commas,
    training_options,
)
from d3wrap.cli.out_folder import as_json
from d3wrap.cli.run_options import log_option
from d3wrap.cli.sweep import Datasets, as_asked, asked_for, look_at, plan_of
from d3wrap.cli.sweep_options import sweep_options
from d3wrap.comparison.compare import compare as run_comparison
from d3wrap.comparison.compare import make_jobs
from d3wrap.comparison.job import Job
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.runs_view import viewing
from d3wrap.comparison.table import comparison_tables
from d3wrap.loggers import load_loggers
from d3wrap.manager import load_plugins
from d3wrap.tuning.applying import tuned_jobs
from d3wrap.tuning.tuned import read_tuned


@click.command()
@sweep_options
@click.option(
    "--generator",
    "generators",
    multiple=True,
    default=("clswgan",),
    show_default="clswgan",
    callback=split_commas,
    help="One or more generators with commas, or all; `d3wrap plugins list` shows them.",
)
@training_options
@protocol_options
@click.option("--seeds", type=Seeds(), default="3", show_default=True, help="How many, or which with commas.")
@classifier_option
@click.option(
    "--tuned",
    "tuned_files",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Train each arm with the settings that `d3wrap tune` found for it: its folder or tuned.yaml, one for each "
    "generator and dataset.",
)
@device_options
@many_runs("compare")
@log_option
@config_option
def compare(
    generators: Sequence[str],
    seeds: Sequence[int],
    tuned_files: Sequence[Path],
    log_to: Sequence[str],
    runs: ManyRuns,
    **options: Any,
) -> None:
    """Train generators without and with D³, and print both side by side.

    The arms are paired by seed: the same data order, noise and initial weights. The test set is looked at once per run,
    after everything is chosen.

    \b
    Start here:
      d3wrap compare
      d3wrap compare --data data/CUB --features res101 --generator clswgan --preset paper --seeds 6
      d3wrap compare --data digits --block o2dbd --set steps=500 --out runs/without-o2dbd
      d3wrap compare --config compare.yaml
      d3wrap compare --data digits --seeds 6 --jobs 4 --out runs/digits
      d3wrap compare --data digits --tuned runs/tune
      d3wrap compare --datasets digits --datasets '{data: data/FLO, features: mbv2}' --train-fraction 0.1,1

    Writes results.json and results.csv, and for every run a folder with its manifest, losses and weights. Stopped or
    killed, the same command with the same --out goes on: what is finished is not repeated, and training goes on from
    its last checkpoint. A run that fails stops no other.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    plugins = load_plugins(block=options["block"])
    load_loggers(log_to)  # before anything is trained, whatever is wrong with one
    tuned = [read_tuned(path) for path in tuned_files]
    names = tuple(plugins.generators) if "all" in generators else generators
    asked = asked_for(options)
    plans = {part: [plan_of(part, name, plugins) for name in names] for part in asked}
    folder = runs.folder
    options["threads"] = runs.threads(options["threads"])
    here = runs.on_this_machine(options)
    datasets = Datasets(lambda source: prepare.load({**here, **source}))
    found = look_at(asked, datasets)
    todo = [
        job
        for part in asked
        for job in make_jobs(
            plans[part],
            seeds,
            folder / part.folder,
            plugins=plugins.names,
            device=options["device"],
            dtype=options["dtype"],
            threads=options["threads"],
            checkpoint_every=runs.checkpoint_every,
            command=tuple(sys.argv),
            log_to=log_to,
            place=part.name,
            origin=part.where,
        )
    ]
    config = as_json({"generators": names, "seeds": seeds, "plugins": plugins.names, **as_asked(options)})
    if tuned:
        todo = tuned_jobs(todo, tuned, lambda job: datasets(job.plan.source))
        config["tuned"] = [one.as_dict() for one in tuned]
    executor = runs.begin(config, options["threads"])
    if len(asked) == 1 and not asked[0].name:
        click.echo(f"{found[0]}. Results go to {folder}/")
    else:
        for part, text in zip(asked, found, strict=True):
            click.echo(text if text.startswith(f"{part.name}: ") else f"{part.name}: {text}")
        click.echo(
            f"{len(asked)} datasets and shares × {counted(len(names), 'generator')} × {counted(len(seeds), 'seed')} × "
            f"2 arms = {len(todo)} runs. Results go to {folder}/"
        )
    for one in tuned:
        click.echo(f"each arm with its own settings, the best of {one.arms['enhanced'].trials} trials: {one.source}")
    with runs.stoppable():
        done = run_comparison(
            todo, lambda job: (datasets(job.plan.source), plugins), folder, executor=executor, watch=viewing,
            on_result=_line, config=config, command=sys.argv,
        )  # fmt: skip
    if done.results is not None:
        click.echo()
        Console().print(comparison_tables(done.results.runs))
        for path in [folder / "results.json", folder / "results.csv", *sorted(folder.rglob("generated.png"))]:
            click.echo(f"wrote {path}")
    if done.failures:
        report_failures(done.failures, len(todo), folder, _label)
        raise click.exceptions.Exit(1)


def _line(job: Job, runs: Sequence[RunResult], before: bool) -> None:
    line(f"{job.place}{'  ' if job.place else ''}{job.plan.generator} {job.arm:8}", runs, before)


def _label(job: Job) -> str:
    return f"{job.label} ({job.origin})" if job.origin else job.label
