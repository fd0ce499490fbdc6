"""What a downloaded file holds: the members of an archive, or itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from d3wrap.data.fetching import archive
from d3wrap.data.fetching.errors import Unavailable
from d3wrap.data.fetching.patience import Patience
from d3wrap.data.fetching.sources import Source
from d3wrap.files import sha256_of


def check(source: Source, path: Path, patience: Patience) -> None:
    """Read the expected members of what came; raises :class:`Unavailable`. A file by itself has only its SHA-256."""
    if not source.archive.plain:
        archive.check_members(path, source.members, patience)


def needed_bytes(source: Source, path: Path, patience: Patience) -> int:
    """Return how much space the files of ``source`` take; raises :class:`Unavailable`."""
    if source.archive.plain:
        return path.stat().st_size
    return archive.unpacked_bytes(path, source.members, patience)


def unpack(source: Source, path: Path, folder: Path, patience: Patience) -> dict[str, dict[str, object]]:
    """Write the files of ``source`` into ``folder``; return ``{"sha256": …, "bytes": …}`` of each by its name there.

    Raises :class:`Unavailable`.
    """
    if not source.archive.plain:
        return archive.unpack(path, source.members, folder, patience)
    (name,) = source.files
    target = folder / name
    shutil.copyfile(path, target)
    sha256, size = sha256_of(target), target.stat().st_size
    if not 0 < size <= patience.member_bytes:
        raise Unavailable(f"the file has {size:,} bytes, expected 1 … {patience.member_bytes:,}")
    return {name: {"sha256": sha256, "bytes": size}}
