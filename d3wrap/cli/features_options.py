"""Options of ``d3wrap features``, and what they become."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from d3wrap.errors import ConfigError
from d3wrap.vision.extraction import Pace
from d3wrap.vision.labelling import LabelOptions
from d3wrap.vision.preprocessing import INTERPOLATIONS, Wishes

FILE = click.Path(dir_okay=False, path_type=Path)
Command = Callable[..., Any]


class Channels(click.ParamType):
    """``0.485,0.456,0.406``: a number for red, green and blue; one number is for all three."""

    name = "r,g,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return three numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected a number, or three with commas, found {value!r}", param, ctx)
        return numbers * 3 if len(numbers) == 1 else numbers


class ClassNames(click.ParamType):
    """``cat,dog``, or a text file with a class name in each line."""

    name = "name,…|file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, tuple):
            return value
        path = Path(value)
        if path.is_file():
            try:
                parts = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                self.fail(f"{path} cannot be read as UTF-8 text ({error})", param, ctx)
        else:
            parts = str(value).split(",")
        return tuple(part.strip() for part in parts if part.strip())


def _decorated(command: Command, options: list[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def out_option(command: Command) -> Command:
    """Give a command ``--out`` and ``--overwrite``."""
    return _decorated(
        command,
        [
            click.option(
                "--out", required=True, type=FILE, help="File to write: .safetensors a dataset, .npz features alone."
            ),
            click.option("--overwrite", is_flag=True, help="Replace --out, and forget the parts of an earlier run."),
        ],
    )


def join_out_option(command: Command) -> Command:
    """Give a command that makes datasets alone ``--out`` and ``--overwrite``."""
    return _decorated(
        command,
        [
            click.option("--out", required=True, type=FILE, help="Dataset to write, ending in .safetensors."),
            click.option("--overwrite", is_flag=True, help="Replace --out."),
        ],
    )


def model_options(command: Command) -> Command:
    """Give a command the options that say which network, and ``wishes`` about its preprocessing."""

    @functools.wraps(command)
    def inner(**given: Any) -> Any:
        names = ("size", "crop", "mean", "std", "interpolation")
        return command(wishes=Wishes(**{name: given.pop(name) for name in names}), **given)

    return _decorated(
        inner,
        [
            click.option(
                "--model",
                required=True,
                help="timm:NAME, open_clip:NAME/TAG, torchscript:FILE or onnx:FILE.",
            ),
            click.option("--weights", type=FILE, help="Weights of a timm or open_clip network: .safetensors, .pth."),
            click.option(
                "--random-weights",
                type=click.IntRange(min=0),
                metavar="SEED",
                help="Draw the weights instead: for trials. Recorded.",
            ),
            click.option("--trust", is_flag=True, help="Run the program that a torchscript file is."),
            click.option("--output", help="Output of an onnx network that has several."),
            click.option("--size", type=click.IntRange(min=1), help="Height and width that the network takes."),
            click.option("--crop", type=float, help="Share of the shorter side that is not cut off, e.g. 0.875."),
            click.option("--mean", type=Channels(), help="Taken off the channels, which run from 0 to 1."),
            click.option("--std", type=Channels(), help="Channels are divided by this after --mean."),
            click.option("--interpolation", type=click.Choice(INTERPOLATIONS), help="How images are resized."),
        ],
    )


def pace_options(command: Command) -> Command:
    """Give a command the options that say how to compute, as ``pace``, ``device`` and ``threads``."""

    @functools.wraps(command)
    def inner(*, batch_size: int, precision: Any, workers: int, **given: Any) -> Any:
        return command(pace=Pace(batch_size, precision, workers), **given)

    return _decorated(
        inner,
        [
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                default=32,
                show_default=True,
                help="Images that the network looks at at once.",
            ),
            click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:n]."),
            click.option(
                "--precision",
                type=click.Choice(["exact", "tf32", "bf16"]),
                default="exact",
                show_default=True,
                help="tf32 and bf16 are faster on a GPU and less exact; recorded.",
            ),
            click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default torch decides."),
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                default=2,
                show_default=True,
                help="Threads that read and decode images.",
            ),
        ],
    )


def label_options(command: Command) -> Command:
    """Give a command the options that make images a dataset, as ``labels``."""

    @functools.wraps(command)
    def inner(
        *, rows: Path | None, split: Path | None, semantics: str | None, class_names: Path | None,
        unseen: tuple[str, ...] | None, unseen_count: int | None, split_seed: int, test_share: float, **given: Any,
    ) -> Any:  # fmt: skip
        if split is None and semantics is not None and not Path(semantics).suffix:
            raise ConfigError(f"--semantics {semantics} is a variable of a split file: add --split, or name a file")
        labels = LabelOptions(
            rows, split, semantics, class_names, unseen or (), unseen_count, split_seed, test_share
        )  # fmt: skip
        return command(labels=labels, **given)

    return _decorated(
        inner,
        [
            click.option(
                "--rows",
                type=FILE,
                help="Which image each row is and of which class: a benchmark's feature file (.mat), or a table with "
                "the columns image,class[,split] (.csv). Without it, folders name the classes.",
            ),
            click.option("--split", type=FILE, help="Split file of a benchmark, e.g. att_splits.mat."),
            click.option(
                "--semantics",
                help="Variable of the split file (att), or a file that describes the classes: of `d3wrap semantics "
                "build`, .npz or .mat.",
            ),
            click.option("--class-names", type=FILE, help="Names for --split, NAME ID a line, where it has none."),
            click.option("--unseen", type=ClassNames(), help="Unseen classes, with commas or a line each in a file."),
            click.option("--unseen-count", type=click.IntRange(min=1), help="Draw so many unseen classes."),
            click.option(
                "--split-seed",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="What --unseen-count and test_seen rows are drawn with.",
            ),
            click.option(
                "--test-share",
                type=float,
                default=0.2,
                show_default=True,
                help="Share of each seen class's images that becomes test_seen.",
            ),
        ],
    )
