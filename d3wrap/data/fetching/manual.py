"""What to do by hand when no address gives the file."""

from __future__ import annotations

import shlex
from pathlib import Path

from d3wrap.data.fetching.sources import Source


def command_to_fetch(source: Source, out: Path | None) -> str:
    """Return the line that fetches ``source``."""
    return f"d3wrap data fetch {source.name}" + (f" --out {shlex.quote(str(out))}" if out else "")


def command_to_look(source: Source, folder: Path) -> str:
    """Return the line to type once the data are in ``folder``."""
    path = folder / source.folder
    return f"d3wrap data info {shlex.quote(str(path))}" + (f" --split {source.split}" if source.split else "")


def manual_way(source: Source, folder: Path, out: Path | None) -> str:
    """Return how to get ``source`` into ``folder`` without this command, as lines of text."""
    files = " and ".join(source.files)
    return "\n".join(
        (
            "By hand:",
            f"  1. Get {source.archive.name} with a browser, from a colleague or another copy:",
            *(f"       {url}" for url in source.archive.urls),
            f"       described at {source.archive.page}",
            f"  2. Put it, as it is, at {folder / source.archive.name}",
            f"     and type: {command_to_fetch(source, out)}",
            f"  Or, where you have the files ({files}), put them into {folder / source.folder}",
            f"     and type: {command_to_look(source, folder)}",
            f"  Or name a copy's address: {command_to_fetch(source, out)} --url ADDRESS",
        )
    )
