"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from d3wrap.cli.key_value import KeyValue

Command = TypeVar("Command", bound=Callable[..., Any])


def split_commas(_: click.Context, __: click.Parameter, values: Iterable[str]) -> tuple[str, ...]:
    """Let ``--option a,b`` mean ``--option a --option b``; of repeated names one counts."""
    return tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",") if name.strip()))


class Seeds(click.ParamType):
    """``3`` means seeds 0, 1, 2; ``7,11`` means these two."""

    name = "n | a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the seeds."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() for part in parts):
            self.fail(f"expected how many seeds, or seeds with commas, found {value!r}", param, ctx)
        numbers = tuple(int(part) for part in parts)
        seeds = tuple(range(numbers[0])) if len(numbers) == 1 else numbers
        if not seeds or len(set(seeds)) < len(seeds):
            self.fail(f"expected at least one seed and none twice, found {value!r}", param, ctx)
        return seeds


class Numbers(click.ParamType):
    """``100,300`` means these two."""

    name = "a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"expected numbers of 1 or more with commas, found {value!r}", param, ctx)
        return tuple(dict.fromkeys(int(part) for part in parts))


def grouped(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command all of these options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


fraction_options = grouped(
    click.option(
        "--train-fraction",
        type=float,
        default=1.0,
        show_default=True,
        help="Train on this share of each seen class's images, e.g. 0.1 or 0.3.",
    ),
    click.option(
        "--fraction-seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Which images --train-fraction keeps; the same for every seed of a comparison.",
    ),
)

source_options = grouped(
    click.option(
        "--data",
        "source",
        default="digits",
        show_default=True,
        help="digits, synthetic, a folder of xlsa17 .mat files, a .npz or a converted file.",
    ),
    click.option("--features", help="Feature file of a folder, e.g. res101."),
    click.option("--split", help="Split file of a folder, e.g. att_splits."),
    click.option(
        "--semantics",
        default="att",
        show_default=True,
        help="Variable that describes the classes, or a file of `d3wrap semantics build`.",
    ),
    click.option(
        "--teacher-features",
        help="A vision–language teacher's features of the same images: a file, or a feature file of the folder.",
    ),
    click.option("--text-features", help="Its text features of the classes: a file of `d3wrap semantics build`."),
    click.option(
        "--scale",
        type=click.Choice(["minmax", "none"]),
        default="minmax",
        show_default=True,
        help="Scale features to [0, 1] by their range on training rows.",
    ),
)

data_options = grouped(source_options, fraction_options)

device_options = grouped(
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:n]."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Number format of data, networks and losses.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["exact", "tf32", "bf16"]),
        default="exact",
        show_default=True,
        help="tf32 and bf16 are faster on a GPU and less exact; recorded with the results.",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default torch decides."),
)

settings_options = grouped(
    click.option("--preset", default="small", show_default=True, help="Sizes of the generator: small, paper, …"),
    click.option(
        "--set",
        "settings",
        type=KeyValue(),
        multiple=True,
        help="Change a setting of the generator, e.g. steps=500; `d3wrap plugins show NAME` lists them.",
    ),
    click.option(
        "--formulation",
        type=click.Choice(["corrected", "released"]),
        default="corrected",
        show_default=True,
        help="D³ as corrected, or exactly as its authors released it.",
    ),
    click.option(
        "--teacher",
        type=click.Choice(["ood", "vlm"]),
        default="ood",
        show_default=True,
        help="The teacher of ID²SD and O²DBD: a detector trained on the seen classes, or a vision–language model; see "
        "docs/settings.md.",
    ),
    click.option(
        "--d3",
        type=KeyValue(),
        multiple=True,
        help="Change a D³ setting, e.g. gradient_share=0.1 or class_balanced=false; see docs/settings.md.",
    ),
    click.option(
        "--block",
        multiple=True,
        callback=split_commas,
        help="Leave plugins out; blocking id2sd or o2dbd is the ablation.",
    ),
)

training_options = grouped(
    settings_options,
    click.option(
        "--log-every",
        type=click.IntRange(min=1),
        default=50,
        show_default=True,
        help="Steps per line of losses.",
    ),
)

choose_options = grouped(
    click.option(
        "--choose-points",
        type=click.IntRange(min=1),
        default=4,
        show_default=True,
        help="Numbers of steps that the honest protocol chooses from, evenly up to the generator's own.",
    ),
    click.option(
        "--choose-samples",
        type=Numbers(),
        default="",
        show_default="the generator's own",
        help="Numbers of features per unseen class that it chooses from, with commas.",
    ),
    click.option(
        "--choose-folds",
        type=click.IntRange(min=1),
        show_default="the benchmark's own validation classes, else 3",
        help="Validation worlds that it takes the mean of, each with other seen classes for unseen ones.",
    ),
)

protocol_options = grouped(
    click.option(
        "--protocol",
        type=click.Choice(["honest", "fixed", "paper"]),
        default="honest",
        show_default=True,
        help="honest: steps, samples and γ are chosen in validation worlds cut out of training images. fixed: nothing "
        "is chosen. paper: the best step is chosen on the test set, as the papers did; labelled so.",
    ),
    choose_options,
)

classifier_option = click.option(
    "--classifier",
    "classifiers",
    multiple=True,
    callback=split_commas,
    default=("softmax", "student", "embedding"),
    show_default="all three",
    help="softmax on features, student end to end, or softmax on the student's embedding.",
)

out_options = grouped(
    click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for results; else a new one in runs/.",
    ),
    click.option("--overwrite", is_flag=True, help="Remove what an earlier run left in --out."),
)
