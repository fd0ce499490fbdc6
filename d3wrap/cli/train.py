"""``d3wrap train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.doing import stoppable
from d3wrap.cli.options import data_options, device_options, out_options, protocol_options, training_options
from d3wrap.cli.out_folder import as_json, new_name, open_folder
from d3wrap.cli.run_options import checkpoint_option, log_option
from d3wrap.comparison.run import train as run_training
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.run_lock import locked
from d3wrap.comparison.run_loggers import RunLoggers
from d3wrap.loggers import load_loggers
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
@protocol_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of data order, noise and initial weights; the same for both arms.",
)
@device_options
@checkpoint_option
@log_option
@out_options
@config_option
def train(
    generator: str,
    arm: Any,
    seed: int,
    checkpoint_every: float,
    log_to: Sequence[str],
    out: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train one generator, with D³ or without, and keep its weights.

    `d3wrap evaluate FOLDER` measures it; `d3wrap compare` does both for both arms. Stopped or killed, the same command
    with the same --out goes on from the last checkpoint.
    """
    plugins = load_plugins(block=options["block"])
    load_loggers(log_to)  # before anything is loaded or trained, whatever is wrong with one
    plan = prepare.plan(generator, options, plugins)
    dataset = prepare.load(options)
    config = as_json({"generator": generator, "arm": arm, "seed": seed, "plugins": plugins.names, **options})
    path = out or new_name("train")
    goes_on = open_folder(path, overwrite, "train", config)
    folder = RunFolder(path, resume=goes_on)
    with locked(path):
        folder.clean()
        if (path / "training.json").exists():
            click.echo(f"{generator} ({arm}, seed {seed}) is trained already; weights in {path}/")
        else:
            if goes_on:
                click.echo(f"going on with what {path}/ holds")
            with (
                stoppable(f"the same command with --out {path} goes on"),
                watching(f"{generator} {arm}, seed {seed}") as on_log,
                RunLoggers(path, plugins, log_to, dataset.features.device) as loggers,
            ):
                trained = run_training(
                    plan, dataset, arm, seed, plugins, folder, on_log,
                    checkpoint_every=checkpoint_every, loggers=loggers,
                )  # fmt: skip
                loggers.end(())
            steps = trained.backbone.settings.steps
            click.echo(
                f"{generator} ({arm}, seed {seed}): {steps} steps in {trained.seconds:.0f} s; weights in {path}/"
            )
    click.echo(f"next: d3wrap evaluate {path}")
