"""``d3wrap data fetch``: bring a benchmark's data from its public source."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from d3wrap.data.fetching import SOURCES, Source
from d3wrap.data.fetching import fetch as bring
from d3wrap.data.fetching.downloader import Progress as Told
from d3wrap.data.fetching.fetcher import default_folder
from d3wrap.data.fetching.manual import command_to_look

_SAID = {
    "present": "is there already, nothing was fetched",
    "unpacked": "unpacked from an archive that was there",
    "downloaded": "downloaded and unpacked",
}
_SAID_OF_A_FILE = {**_SAID, "unpacked": "taken from the file that was there", "downloaded": "downloaded"}


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--list", "listing", is_flag=True, help="Show what can be fetched, from where, its terms; fetch nothing.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that gets a folder per dataset; else datasets/ in the cache.",
)
@click.option("--url", help="Fetch the archive from this address, e.g. a copy of your own.")
@click.option("--sha256", help="What the archive's SHA-256 must be.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Keep the archive; datasets share it.")
def fetch(
    names: tuple[str, ...], listing: bool, out: Path | None, url: str | None, sha256: str | None, keep: bool
) -> None:
    """Fetch datasets by NAME (AWA1, AWA2, APY, CUB, SUN, FLO) from where their makers publish them.

    CUB-sent, AWA1-val, AWA2-val and SUN-val are further files of these; --list tells of all.

    A dropped connection is gone on with, by the same command later too. Nothing is moved in place unchecked,
    and what is there already is not fetched again.
    """
    if listing:
        click.echo("\n".join(line for source in SOURCES for line in _lines(source)))
        click.echo(f"Without --out they go to {default_folder()}")
        return
    if not names:
        raise click.UsageError("name at least one dataset, or type d3wrap data fetch --list")
    with _bar() as progress:
        fetched = bring(
            names, out, url=url, sha256=sha256, keep=keep, progress=progress,
            say=lambda text: click.echo(text, err=True),
        )  # fmt: skip
    for item in fetched:
        said = _SAID_OF_A_FILE if item.source.archive.plain else _SAID
        click.echo(f"{item.source.name}: {said[item.how]}", err=True)
    for item in fetched:
        click.echo(command_to_look(item.source, item.path.parent))


@contextlib.contextmanager
def _bar() -> Iterator[Told]:
    """Draw a progress bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("download", total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.1f} MB"


def _lines(source: Source) -> Iterator[str]:
    archive = source.archive
    size = f"about {_size(archive.about_bytes)}, " if archive.about_bytes else ""
    shared = [other.name for other in SOURCES if other.archive == archive and other is not source]
    yield f"{source.name}: {source.title}"
    rows = {
        "from": ", ".join(archive.urls) + f" ({size}{'with ' + ', '.join(shared) if shared else 'alone'})",
        "page": archive.page,
        "files": ", ".join(source.files),
        "sha256": archive.sha256 or "not known; the first download is recorded, later ones must match it",
        "note": source.note,
        "terms": source.terms,
        "cite": source.citation,
    }
    for key, value in rows.items():
        if value:
            yield textwrap.fill(
                value, 110, initial_indent=f"  {key:<8}", subsequent_indent=" " * 10,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
