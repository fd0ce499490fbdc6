"""``d3wrap semantics``: class semantics out of descriptions, and how well they tell classes apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from d3wrap.cli.config_option import config_option
from d3wrap.cli.group import SubGroup
from d3wrap.cli.key_value import KeyValue
from d3wrap.config import Override
from d3wrap.data.semantics_file import write_semantics
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.errors import ConfigError
from d3wrap.files import sha256_of
from d3wrap.manager import load_encoders
from d3wrap.semantics.build import build_semantics
from d3wrap.semantics.descriptions import ClassTexts, read_class_texts
from d3wrap.semantics.diagnosis import agreement, diagnose
from d3wrap.semantics.names_file import read_lines, read_names
from d3wrap.semantics.tables import aligned, read_table
from d3wrap.semantics.view import as_json, print_agreement, print_diagnosis
from d3wrap.training.precision import resolve_device

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=SubGroup)
def semantics() -> None:
    """Make class semantics out of descriptions, and see how well they tell classes apart."""


@semantics.command()
@click.option(
    "--names",
    type=INPUT,
    help="Class names in order: a name a line, or NAME ID or ID NAME, as benchmarks have them. Not needed where "
    "descriptions come by name.",
)
@click.option(
    "--descriptions",
    type=INPUT,
    multiple=True,
    help="One line per class in order, or NAME<TAB>DESCRIPTION lines, or JSON or YAML by name. Several files add up.",
)
@click.option(
    "--template",
    "templates",
    multiple=True,
    help="Sentence with {name} and {description}; of several the mean is taken. "
    "[default: a photo of a {name}. {description}]",
)
@click.option("--templates", "template_file", type=INPUT, help="File with a template a line.")
@click.option(
    "--encoder", default="tfidf", show_default=True, help="What turns texts into vectors; see docs/semantics.md."
)
@click.option(
    "--set",
    "settings",
    type=KeyValue(),
    multiple=True,
    help="Change a setting of the encoder, e.g. dims=64; `d3wrap plugins show ENCODER` lists them.",
)
@click.option("--centre", is_flag=True, help="Take the mean over all classes from each, which spreads them.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:n].")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help=f"File to write, ending in {SUFFIX}.",
)
@config_option
def build(
    names: Path | None,
    descriptions: Sequence[Path],
    templates: Sequence[str],
    template_file: Path | None,
    encoder: str,
    settings: Sequence[Override],
    centre: bool,
    device: str,
    out: Path,
) -> None:
    """Turn names and descriptions of classes into a file for --semantics.

    \b
    Start here:
      d3wrap semantics build --names class_names.txt --descriptions descriptions.txt --out flowers.safetensors
      d3wrap semantics show flowers.safetensors --against data/FLO --picture flowers.png
      d3wrap compare --data data/FLO --semantics flowers.safetensors
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    if out.suffix != SUFFIX:
        raise click.BadParameter(f"{out} must end in {SUFFIX}", param_hint="--out")
    if names is None and not descriptions:
        raise ConfigError("nothing to encode: give --names FILE, --descriptions FILE or both")
    spec = load_encoders().encoder(encoder)
    given = read_names(names) if names is not None else None
    texts = (
        ClassTexts(given, ((),) * len(given)) if given and not descriptions else read_class_texts(given, descriptions)
    )
    inputs = {"names": [names] if names else [], "descriptions": descriptions}
    found = build_semantics(
        texts,
        spec,
        templates=(*templates, *(filter(None, read_lines(template_file)) if template_file else ())),
        settings=settings,
        centre=centre,
        device=resolve_device(device),
        provenance={
            what: "; ".join(f"{path.name}, sha256 {sha256_of(path)}" for path in paths)
            for what, paths in inputs.items()
            if paths
        },
    )
    write_semantics(found, out)
    click.echo(f"{out}: {len(found.class_names)} classes × {found.matrix.shape[1]}, {found.provenance['texts']} texts")
    if len(found.class_names) > 1:
        seen = diagnose(found.matrix, found.class_names, 1)
        click.echo(
            f"mean cosine {seen.mean:.3f} ± {seen.sd:.3f}, effective rank {seen.effective_rank:.1f}; "
            f"`d3wrap semantics show {out}` says more"
        )


@semantics.command()
@click.argument("source", metavar="FILE")
@click.option("--against", help="Semantics to compare with: another file, a dataset, or a split file (.mat).")
@click.option(
    "--neighbours", type=click.IntRange(min=1), default=5, show_default=True, help="Nearest classes to look at."
)
@click.option(
    "--classes", type=click.IntRange(min=0), default=20, show_default=True, help="Classes to list; 0 lists all."
)
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="PNG to draw.")
@click.option("--json", "as_json_", is_flag=True, help="Print JSON.")
def show(source: str, against: str | None, neighbours: int, classes: int, picture: Path | None, as_json_: bool) -> None:
    """Show how well semantics tell classes apart, and how far they agree with others.

    FILE is what `d3wrap semantics build` wrote, a dataset, or a split file (FILE.mat, FILE.mat:VARIABLE) or its folder.
    """
    table = read_table(source)
    found = diagnose(table.matrix, table.names, neighbours, table.label)
    other, agreed = None, None
    if against:
        second = aligned(read_table(against), table)
        other = diagnose(second.matrix, second.names, neighbours, second.label)
        agreed = agreement(found, other)
    if picture is not None:
        from d3wrap.semantics.picture import draw

        draw(picture, found, other, agreed)
    if as_json_:
        click.echo(json.dumps(as_json(found, other, agreed), indent=2, ensure_ascii=False))
        return
    print_diagnosis(found, classes)
    if other is not None and agreed is not None:
        print_agreement(other, agreed)
    if picture is not None:
        click.echo(f"wrote {picture}")
