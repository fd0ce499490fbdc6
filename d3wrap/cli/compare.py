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
from d3wrap.cli.options import (
    Seeds,
    classifier_option,
    data_options,
    device_options,
    out_options,
    split_commas,
    training_options,
)
from d3wrap.comparison.compare import compare as run_comparison
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.table import comparison_tables
from d3wrap.data.dataset import GZSLDataset
from d3wrap.files import write_json
from d3wrap.manager import load_plugins
from d3wrap.training.progress import watching


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
@click.option("--seeds", type=Seeds(), default="3", show_default=True, help="How many, or which with commas.")
@classifier_option
@device_options
@out_options
@config_option
def compare(generators: Sequence[str], seeds: Sequence[int], out: Path | None, overwrite: bool, **options: Any) -> None:
    """Train generators without and with D³, and print both side by side.

    The arms are paired by seed: the same data order, noise and initial weights. The test set is looked at once per run,
    after everything is chosen.

    \b
    Start here:
      d3wrap compare
      d3wrap compare --data data/CUB --features res101 --generator clswgan --preset paper --seeds 6
      d3wrap compare --data digits --block o2dbd --set steps=500 --out runs/without-o2dbd
      d3wrap compare --config compare.yaml

    Writes results.json and results.csv, and for every run a folder with its manifest, losses and weights.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    plugins = load_plugins(block=options["block"])
    names = tuple(plugins.generators) if "all" in generators else generators
    plans = [prepare.plan(name, options, plugins) for name in names]
    dataset = prepare.load(options)
    folder = prepare.new_folder(out, overwrite, "compare")
    config = _as_json({"generators": names, "seeds": seeds, "plugins": plugins.names, **options})
    write_json(folder / prepare.MARK, {"command": sys.argv, "config": config})
    click.echo(
        f"{dataset.name}: {len(dataset.train)} training features{_share(dataset)} of {len(dataset.seen)} seen classes, "
        f"{len(dataset.unseen)} unseen classes. Results go to {folder}/"
    )
    results = run_comparison(
        plans,
        dataset,
        seeds,
        plugins,
        folder,
        watch=watching,
        on_result=_line,
        config=config,
        command=sys.argv,
    )
    click.echo()
    Console().print(comparison_tables(results.runs))
    for path in [folder / "results.json", folder / "results.csv", *sorted(folder.glob("*/generated.png"))]:
        click.echo(f"wrote {path}")


def _share(dataset: GZSLDataset) -> str:
    return "" if dataset.train_fraction == 1 else f" ({100 * dataset.train_fraction:g}% of each class's)"


def _line(runs: Sequence[RunResult]) -> None:
    """Print what a run reached as soon as it ends."""
    first = runs[0]
    reached = "   ".join(f"{run.classifier} T1 {100 * run.T1:.1f} H {100 * run.H:.1f}" for run in runs)
    seconds = first.training_seconds + first.evaluation_seconds
    click.echo(f"{first.generator} {first.arm:8} seed {first.seed}  {seconds:5.0f} s   {reached}")


def _as_json(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as JSON can hold them; of a setting its key and value."""
    pairs = {name: {one.key: one.value for one in options[name]} for name in ("settings", "d3")}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    return plain | pairs
