"""``d3wrap data``: convert, look at and check datasets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from safetensors import SafetensorError, safe_open

from d3wrap.cli.fetch import fetch
from d3wrap.cli.group import SubGroup
from d3wrap.cli.options import fraction_options
from d3wrap.data.checks import CHECKS
from d3wrap.data.converted import write_converted
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.fraction import keep_fraction
from d3wrap.data.load import read_dataset
from d3wrap.data.summary import Summary, summarise
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.errors import ConfigError, DataError


def _source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument and the options that say which dataset."""
    for option in (
        click.option(
            "--semantics",
            default="att",
            show_default=True,
            help="Variable that describes the classes, or a file of `d3wrap semantics build`.",
        ),
        click.option("--split", help="Split file of a directory, without .mat."),
        click.option("--features", help="Feature file of a directory, without .mat."),
        click.argument("source"),
    ):
        command = option(command)
    return command


@click.group(cls=SubGroup)
def data() -> None:
    """Fetch, convert, look at and check datasets.

    A dataset is a name (digits, synthetic, synthetic:classes=20,dim=64), a directory of xlsa17 .mat files,
    a .npz file or a file that d3wrap converted.
    """


data.add_command(fetch)


@data.command()
@_source
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"File to write, ending in {SUFFIX}; else SOURCE's name with that ending, here.",
)
def convert(source: str, out: Path | None, **choice: Any) -> None:
    """Write SOURCE as one file that loads without parsing."""
    target = out or Path(f"{source.partition(':')[0].rstrip('/').rpartition('/')[2]}{SUFFIX}")
    if target.suffix != SUFFIX:
        raise click.BadParameter(f"{target} must end in {SUFFIX}", param_hint="--out")
    dataset = read_dataset(source, **choice)
    if out is None and target.exists() and not _is_converted(target):
        raise ConfigError(
            f"--out: {target} is there already and is no converted dataset: choose another name with --out"
        )
    write_converted(dataset, target)
    click.echo(f"{target}: {target.stat().st_size:,} bytes, {len(dataset.labels):,} features")


def _is_converted(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return "d3wrap" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


@data.command()
@_source
@fraction_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(source: str, train_fraction: float, fraction_seed: int, as_json: bool, **choice: Any) -> None:
    """Show sizes, splits, ranges and where the numbers came from."""
    summary = summarise(keep_fraction(read_dataset(source, **choice), train_fraction, fraction_seed))
    if as_json:
        click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print(summary)


@data.command()
@_source
@click.pass_context
def check(context: click.Context, source: str, **choice: Any) -> None:
    """Check everything that must hold; exit with 1 at the first thing that does not."""
    try:
        read_dataset(source, check=_check_aloud, **choice)
    except DataError as error:
        click.echo(f"FAILED  {error}")
        context.exit(1)
    click.echo(f"{source}: all {len(CHECKS) + 1} checks passed")


def _check_aloud(dataset: GZSLDataset) -> None:
    click.echo("ok      files can be read and have the format")
    for item in CHECKS:
        item.run(dataset)
        click.echo(f"ok      {item.holds}")


def _print(summary: Summary) -> None:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in summary.items():
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {part}" for name, part in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        table.add_row(Text(key.replace("_", " ")), Text(str(value)))
    Console().print(table)
