"""``d3wrap features``: images to features, and features to datasets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from d3wrap.cli.config_option import config_option
from d3wrap.cli.doing import counted, stoppable
from d3wrap.cli.features_options import (
    join_out_option,
    label_options,
    model_options,
    out_option,
    pace_options,
)
from d3wrap.cli.group import SubGroup
from d3wrap.data.load import load_dataset
from d3wrap.training.precision import resolve_device
from d3wrap.vision.extraction import Pace
from d3wrap.vision.features import check_out, extract_features, join_features
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.labelling import LabelOptions
from d3wrap.vision.loading import ModelOptions, load_image_model
from d3wrap.vision.preprocessing import Wishes
from d3wrap.vision.record import Record


@click.group(cls=SubGroup)
def features() -> None:
    """Turn images into features with a network somebody trained, and features into datasets."""


@features.command()
@click.option("--images", required=True, type=click.Path(path_type=Path), help="Folder or zip file of images.")
@model_options
@out_option
@label_options
@pace_options
@click.option("--skip-broken", is_flag=True, help="Leave images out that cannot be decoded.")
@config_option
def extract(
    images: Path,
    model: str,
    weights: Path | None,
    random_weights: int | None,
    trust: bool,
    output: str | None,
    out: Path,
    overwrite: bool,
    labels: LabelOptions,
    wishes: Wishes,
    device: str,
    threads: int | None,
    pace: Pace,
    skip_broken: bool,
) -> None:
    """Extract the features of images into a dataset that every command takes, or into a file of features alone.

    A dataset needs to know which image is of which class. Of a benchmark: --split its split file and --rows its
    feature file or a table. Of images in folders named after classes: --semantics a file that describes the classes,
    and --unseen. Without any of these OUT is an .npz file, which `d3wrap features join` makes a dataset of later.

    Stopped or killed, the same command goes on from what OUT.parts holds.
    """
    check_out(out, labels, overwrite=overwrite)
    if threads:
        torch.set_num_threads(threads)
    options = ModelOptions(weights, random_weights, trust, output, wishes)
    network = load_image_model(model, options, resolve_device(device))
    for line in _described(network):
        click.echo(line, err=True)
    with stoppable("the same command goes on"), _bar() as on_done:
        record = extract_features(
            images, network, out, labels=labels, pace=pace, skip_broken=skip_broken, overwrite=overwrite,
            say=_say, on_done=on_done,
        )  # fmt: skip
    _done(out, record, labels)


@features.command()
@click.argument("source", type=click.Path(path_type=Path))
@join_out_option
@label_options
@config_option
def join(source: Path, out: Path, overwrite: bool, labels: LabelOptions) -> None:
    """Make a dataset of SOURCE, an .npz file of `d3wrap features extract`; options as there."""
    record = join_features(source, labels, out, overwrite=overwrite, say=_say)
    _done(out, record, labels)


def _described(network: ImageModel) -> Iterator[str]:
    yield f"{network.name} on {network.device}, weights: {network.weights.described}"
    yield f"images: {network.preprocessing.described()}"
    if network.weights.described.startswith("random"):
        yield "Warning: these weights are random: the features are for trials, not for results"


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Draw a progress bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("images", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _done(out: Path, record: Record, labels: LabelOptions) -> None:
    if record.broken:
        more = " …" if len(record.broken) > 5 else ""
        first = ", ".join(list(record.broken)[:5])
        click.echo(f"{counted(len(record.broken), 'broken image')} left out: {first}{more}", err=True)
    if labels.given:
        found: Any = load_dataset(out, scale="none")
        click.echo(
            f"{out}: {len(found.labels):,} features of width {found.feature_dim}, {len(found.seen)} seen and "
            f"{len(found.unseen)} unseen classes, {len(found.train):,} + {len(found.test_seen):,} + "
            f"{len(found.test_unseen):,} rows"
        )
        click.echo(f"next: d3wrap data info {out}, d3wrap compare --data {out}")
    else:
        click.echo(f"{out}: features of {counted(len(record.images), 'image')}")
        click.echo(f"next: d3wrap features join {out} --out FILE.safetensors --split … or --semantics …")
