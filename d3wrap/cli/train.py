"""``d3wrap train``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.options import data_options, device_options, out_options, training_options
from d3wrap.comparison.run import train as run_training
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.files import write_json
from d3wrap.manager import load_plugins
from d3wrap.training.progress import watching


@click.command()
@data_options
@click.option("--generator", default="clswgan", show_default=True, help="See `d3wrap plugins list`.")
@click.option(
    "--arm",
    type=click.Choice(["enhanced", "baseline"]),
    default="enhanced",
    show_default=True,
    help="With or without D³.",
)
@training_options
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@device_options
@out_options
@config_option
def train(generator: str, arm: Any, seed: int, out: Path | None, overwrite: bool, **options: Any) -> None:
    """Train one generator, with D³ or without, and keep its weights.

    `d3wrap evaluate FOLDER` measures it; `d3wrap compare` does both for both arms.
    """
    plugins = load_plugins(block=options["block"])
    plan = prepare.plan(generator, options, plugins)
    dataset = prepare.load(options)
    folder = prepare.new_folder(out, overwrite, "train")
    write_json(folder / prepare.MARK, {"command": sys.argv})
    with watching(f"{generator} {arm}, seed {seed}") as on_log:
        trained = run_training(plan, dataset, arm, seed, plugins, RunFolder(folder), on_log)
    steps = trained.backbone.settings.steps
    click.echo(f"{generator} ({arm}, seed {seed}): {steps} steps in {trained.seconds:.0f} s; weights in {folder}/")
    click.echo(f"next: d3wrap evaluate {folder}")
