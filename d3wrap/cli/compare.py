"""``d3wrap compare``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console

from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.options import (
    Seeds,
    classifier_option,
    data_options,
    device_options,
    out_options,
    protocol_options,
    split_commas,
    training_options,
)
from d3wrap.cli.out_folder import as_json, new_name, open_folder, stored_option
from d3wrap.cli.run_options import checkpoint_option, executor_options, log_option
from d3wrap.comparison.compare import Failure, make_jobs
from d3wrap.comparison.compare import compare as run_comparison
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.runs_view import viewing
from d3wrap.comparison.table import comparison_tables
from d3wrap.config import Override
from d3wrap.data.dataset import GZSLDataset
from d3wrap.executors import make_executor
from d3wrap.loggers import load_loggers
from d3wrap.manager import load_plugins


@click.command()
@data_options
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
@device_options
@executor_options
@checkpoint_option
@log_option
@out_options
@config_option
def compare(
    generators: Sequence[str],
    seeds: Sequence[int],
    jobs: int,
    executor: str,
    executor_options: Sequence[Override],
    checkpoint_every: float,
    log_to: Sequence[str],
    out: Path | None,
    overwrite: bool,
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

    Writes results.json and results.csv, and for every run a folder with its manifest, losses and weights. Stopped or
    killed, the same command with the same --out goes on: what is finished is not repeated, and training goes on from
    its last checkpoint. A run that fails stops no other.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    plugins = load_plugins(block=options["block"])
    load_loggers(log_to)  # before anything is trained, whatever is wrong with one
    names = tuple(plugins.generators) if "all" in generators else generators
    plans = [prepare.plan(name, options, plugins) for name in names]
    folder = out or new_name("compare")
    options["threads"] = _threads(options["threads"], jobs, executor, folder, overwrite)
    # A cluster's machines may have what this one has not.
    dataset = prepare.load(options if executor == "local" else {**options, "device": "cpu"})
    config = as_json({"generators": names, "seeds": seeds, "plugins": plugins.names, **options})
    goes_on = open_folder(folder, overwrite, "compare", config)
    runner = make_executor(
        executor,
        jobs,
        folder=folder / executor,
        options={one.key: one.value for one in executor_options},
        threads=options["threads"],
    )
    click.echo(
        f"{dataset.name}: {len(dataset.train)} training features{_share(dataset)} of {len(dataset.seen)} seen classes, "
        f"{len(dataset.unseen)} unseen classes. Results go to {folder}/"
    )
    if goes_on:
        click.echo(f"going on with what {folder}/ holds")
    todo = make_jobs(
        plans,
        seeds,
        folder,
        plugins=plugins.names,
        device=options["device"],
        dtype=options["dtype"],
        threads=options["threads"],
        checkpoint_every=checkpoint_every,
        command=tuple(sys.argv),
        log_to=log_to,
    )
    try:
        done = run_comparison(
            todo, dataset, plugins, folder, executor=runner, watch=viewing, on_result=_line, config=config,
            command=sys.argv,
        )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(f"\nstopped; the same command with --out {folder} goes on", err=True)
        raise
    if done.results is not None:
        click.echo()
        Console().print(comparison_tables(done.results.runs))
        for path in [folder / "results.json", folder / "results.csv", *sorted(folder.glob("*/generated.png"))]:
            click.echo(f"wrote {path}")
    if done.failures:
        _report(done.failures, len(todo), folder)
        raise click.exceptions.Exit(1)


def _threads(given: int | None, jobs: int, executor: str, folder: Path, overwrite: bool) -> int:
    """Return the threads of a run: as given, as the run that is gone on with had them, or one where several run."""
    stored = None if overwrite else stored_option(folder, "threads")
    usual = torch.get_num_threads() if jobs == 1 and executor == "local" else 1
    return given or (stored if isinstance(stored, int) else usual)


def _report(failures: Sequence[Failure], runs: int, folder: Path) -> None:
    """Say on standard error which runs failed, and why."""
    for failure in failures:
        path = failure.job.folder / "error.txt"
        click.echo(f"\n{failure.job.label}: {path}", err=True)
        click.echo(path.read_text(encoding="utf-8").rstrip() if path.exists() else failure.fault, err=True)
    click.echo(f"\nError: {len(failures)} of {runs} runs failed:", err=True)
    for failure in failures:
        click.echo(f"  {failure.job.label}: {failure.fault}", err=True)
    click.echo(f"The same command with --out {folder} tries these again, and these alone.", err=True)


def _share(dataset: GZSLDataset) -> str:
    return "" if dataset.train_fraction == 1 else f" ({100 * dataset.train_fraction:g}% of each class's)"


def _line(runs: Sequence[RunResult], before: bool) -> None:
    """Print what a run reached as soon as it ends, or that it had ended ``before``."""
    first = runs[0]
    reached = "   ".join(f"{run.classifier} T1 {100 * run.T1:.1f} H {100 * run.H:.1f}" for run in runs)
    seconds = first.training_seconds + first.evaluation_seconds
    known = "   (done before)" if before else ""
    click.echo(f"{first.generator} {first.arm:8} seed {first.seed}  {seconds:5.0f} s   {reached}{known}")
