"""What the commands that do many runs have in common: threads, executors, a line for each run, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from d3wrap.cli.out_folder import stored_option
from d3wrap.comparison.job import Job
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.runs import Failure
from d3wrap.data.dataset import GZSLDataset


def threads_of_a_run(given: int | None, jobs: int, executor: str, folder: Path, overwrite: bool) -> int:
    """Return the threads of a run: as given, as the run that is gone on with had them, or one where several run."""
    stored = None if overwrite else stored_option(folder, "threads")
    usual = torch.get_num_threads() if jobs == 1 and executor == "local" else 1
    return given or (stored if isinstance(stored, int) else usual)


def on_this_machine(options: Mapping[str, Any], executor: str) -> dict[str, Any]:
    """Return the options to load data with here: a cluster's machines may have a device that this one has not."""
    return dict(options) if executor == "local" else {**options, "device": "cpu"}


def counted(number: int, word: str) -> str:
    """Return ``3 seeds`` or ``1 seed``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def described(dataset: GZSLDataset) -> str:
    """Return sizes of a dataset in a sentence without its end."""
    share = "" if dataset.train_fraction == 1 else f" ({100 * dataset.train_fraction:g}% of each class's)"
    return (
        f"{dataset.name}: {len(dataset.train)} training features{share} of {len(dataset.seen)} seen classes, "
        f"{len(dataset.unseen)} unseen classes"
    )


def line(name: str, runs: Sequence[RunResult], before: bool) -> None:
    """Print what the run called ``name`` reached as soon as it ends, or that it had ended ``before``."""
    first = runs[0]
    reached = "   ".join(f"{run.classifier} T1 {100 * run.T1:.1f} H {100 * run.H:.1f}" for run in runs)
    seconds = first.training_seconds + first.evaluation_seconds
    known = "   (done before)" if before else ""
    click.echo(f"{name} seed {first.seed}  {seconds:5.0f} s   {reached}{known}")


def report_failures(failures: Sequence[Failure], runs: int, folder: Path, label: Callable[[Job], str]) -> None:
    """Say on standard error which runs failed, and why."""
    for failure in failures:
        path = failure.job.folder / "error.txt"
        click.echo(f"\n{label(failure.job)}: {path}", err=True)
        click.echo(path.read_text(encoding="utf-8").rstrip() if path.exists() else failure.fault, err=True)
    click.echo(f"\nError: {len(failures)} of {runs} runs failed:", err=True)
    for failure in failures:
        click.echo(f"  {label(failure.job)}: {failure.fault}", err=True)
    click.echo(f"The same command with --out {folder} tries these again, and these alone.", err=True)
