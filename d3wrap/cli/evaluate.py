"""``d3wrap evaluate``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from d3wrap.cli.config_option import config_option
from d3wrap.cli.options import classifier_option
from d3wrap.comparison.run import measure, results
from d3wrap.comparison.stored import load_run
from d3wrap.files import write_json


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", "source", help="Where the dataset is now, if it moved since training.")
@classifier_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:n].")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default torch decides.")
@config_option
def evaluate(run: Path, source: str | None, classifiers: Sequence[str], device: str, threads: int | None) -> None:
    """Measure a trained generator on the test set.

    RUN is what `d3wrap train` wrote, or the folder of one arm that `d3wrap compare` wrote. The numbers are printed and
    written to RUN/result.json.
    """
    if threads:
        torch.set_num_threads(threads)
    plan, dataset, arm, seed, trained = load_run(run, device=device, source=source)
    plan = dataclasses.replace(plan, classifiers=classifiers)
    measured = measure(plan, seed, trained)
    found = results(plan, dataset, arm, seed, trained, measured)
    write_json(run / "result.json", [one.as_dict() for one in found])
    click.echo(f"{plan.generator} {arm}, seed {seed}, on {dataset.name}")
    click.echo(str(measured.final))
    click.echo(f"wrote {run / 'result.json'}")
