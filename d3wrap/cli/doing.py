"""What commands say of what they do: sizes, a line for each run, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from d3wrap.comparison.job import Job
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.runs import Failure
from d3wrap.data.dataset import GZSLDataset


def counted(number: int, word: str) -> str:
    """Return ``3 seeds`` or ``1 seed``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


@contextmanager
def stoppable(how: str) -> Iterator[None]:
    """Where a key stops what is done, say how it goes on: ``how`` ends the sentence."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nstopped; {how}", err=True)
        raise


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
