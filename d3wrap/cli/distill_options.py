"""The options of ``d3wrap distill``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from d3wrap.cli.key_value import KeyValue
from d3wrap.cli.options import Seeds, fraction_options, grouped
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.distilling.opening import DIRECT, OWN
from d3wrap.distilling.settings import PRESETS
from d3wrap.errors import ConfigError

distill_options = grouped(
    click.option(
        "--data",
        "source",
        default="digits",
        show_default=True,
        help="Classes, split and the teacher's features: digits, a folder of xlsa17 .mat files, a .npz or a converted "
        "file.",
    ),
    click.option("--features", help="Feature file of a folder, e.g. res101."),
    click.option("--split", help="Split file of a folder, e.g. att_splits."),
    click.option(
        "--images",
        type=click.Path(exists=True),
        help="Folder or zip file of the rows' images, which the student then sees instead of features.",
    ),
    click.option(
        "--inputs", type=click.Path(exists=True, dir_okay=False), help="The student's features instead, as .npy."
    ),
    click.option(
        "--teacher",
        default="features",
        show_default=True,
        help="Image features to imitate: features (the dataset's), an .npy file, mapped into memory, or a network that "
        "looks at each crop, e.g. timm:NAME or open_clip:NAME.",
    ),
    click.option(
        "--teacher-weights", type=click.Path(exists=True, dir_okay=False), help="File with the weights of a network."
    ),
    click.option("--teacher-random-weights", type=int, help="A seed to draw them with instead, for trials."),
    click.option(
        "--text",
        "texts",
        multiple=True,
        default=(OWN,),
        show_default=True,
        metavar="[NAME=]SOURCE",
        help="What classes are told by: own (the dataset's semantics), a file of `d3wrap semantics build`, or "
        "direct:FILE where its rows are in the teacher's space; may be repeated.",
    ),
    click.option(
        "--captions", type=click.Path(exists=True, dir_okay=False), help="Text features of each row's caption, as .npy."
    ),
    click.option(
        "--recipe",
        "recipes",
        multiple=True,
        default=("cls+contrastive+proximity",),
        show_default=True,
        metavar="LOSS[+LOSS…][@TEXT]",
        help="Losses (cls, mse, contrastive, proximity, caption), and the text they are against; may be repeated.",
    ),
    click.option(
        "--weight", "weights", type=KeyValue(), multiple=True, help="Weight of a loss, e.g. contrastive=0.5; else 1."
    ),
    click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        default="small",
        show_default=True,
        help="Student, sizes and schedule: small for images, features for features, or the paper's.",
    ),
    click.option(
        "--set",
        "settings",
        type=KeyValue(),
        multiple=True,
        help="Change a setting of the preset, e.g. epochs=10; docs/distill.md lists them.",
    ),
    click.option("--seeds", type=Seeds(), default="1", show_default=True, help="How many, or which ones with commas."),
    fraction_options,
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:n]."),
    click.option(
        "--precision",
        type=click.Choice(["exact", "tf32", "bf16"]),
        default="exact",
        show_default=True,
        help="tf32 and bf16 (mixed precision) are faster on a GPU and less exact; recorded with the results.",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="CPU threads; by default torch decides."),
    click.option(
        "--pictures", is_flag=True, help="Also draw what is near images of unseen classes, to teacher and student."
    ),
    click.option(
        "--export", is_flag=True, help="Also write each student's features as a dataset for `d3wrap compare --data`."
    ),
)


def texts_of(given: Iterable[str]) -> dict[str, str]:
    """Return the source of each text by name, in order; without a name that is the file's, without its ending.

    Raises :class:`~d3wrap.errors.ConfigError` for two of one name, and a source that is neither known nor a file.
    """
    found: dict[str, str] = {}
    for one in given:
        name, sign, source = one.partition("=")
        if not sign:
            name, source = Path(one.removeprefix(DIRECT)).stem, one
        if not name or any(mark in name for mark in "+@"):
            raise ConfigError(f"--text {one}: expected NAME=SOURCE, the name without + and @")
        if name in found:
            raise ConfigError(f"--text: two are called {name!r}: give one another name, NAME={source}")
        place = source.removeprefix(DIRECT)
        known = source == OWN or source == f"{DIRECT}dataset"
        if not known and place.endswith(SUFFIX) and not Path(place).expanduser().exists():
            raise ConfigError(f"--text {one}: {place}: no such file; `d3wrap semantics build --out {place}` makes one")
        if not known and not (place.endswith(SUFFIX) and Path(place).expanduser().is_file()):
            raise ConfigError(
                f"--text {name}: expected {OWN!r} or a {SUFFIX} file of `d3wrap semantics build`, found {source!r}"
            )
        found[name] = source
    return found
