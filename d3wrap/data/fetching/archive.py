"""Take the expected files, and nothing else, out of an archive that somebody else made."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from d3wrap.data.fetching.errors import Unavailable
from d3wrap.data.fetching.patience import Patience
from d3wrap.files import sha256_of

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
_CHUNK = 2**20


def find_members(path: Path, members: tuple[str, ...], patience: Patience) -> dict[str, zipfile.ZipInfo]:
    """Return the entries of the zip file at ``path`` that are ``members``, by the name each is unpacked to.

    An entry is a member if it has its path, or is the only one to end in its folder and name. Raises
    :class:`Unavailable` for what is no sound zip file, lacks a member, has an unsafe path anywhere (absolute, or
    with ``..``) or has a member that is a link, encrypted, there twice, too large, or packed too tightly to be real.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except _DAMAGED as error:
        raise Unavailable(_no_zip(path, error)) from error
    for info in infos:
        if _unsafe(info.filename):
            raise Unavailable(f"the archive has the unsafe path {info.filename!r}")
    files = [info for info in infos if not info.is_dir()]
    return {member.rpartition("/")[2]: _find(files, member, patience) for member in members}


def _find(files: list[zipfile.ZipInfo], member: str, patience: Patience) -> zipfile.ZipInfo:
    end = "/" + "/".join(member.split("/")[-2:])
    found = [info for info in files if info.filename == member]
    found = found or [info for info in files if f"/{info.filename}".endswith(end) and "__MACOSX" not in info.filename]
    if len(found) != 1:
        raise Unavailable(f"the archive has {len(found)} files {member}, expected one")
    info = found[0]
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Unavailable(f"{info.filename} in the archive is a link or a device, expected a file")
    if info.flag_bits & 0x1:
        raise Unavailable(f"{info.filename} in the archive is encrypted")
    # the sizes are only what the entry claims, but zipfile gives no more than that and checks what it gave
    if not 0 < info.file_size <= patience.member_bytes:
        raise Unavailable(
            f"{info.filename} in the archive has {info.file_size:,} bytes, expected 1 … {patience.member_bytes:,}"
        )
    if info.file_size > patience.ratio * info.compress_size:
        raise Unavailable(
            f"{info.filename} in the archive unpacks {info.compress_size:,} bytes to {info.file_size:,}, "
            f"more than {patience.ratio} times as much"
        )
    return info


def unpack(path: Path, members: tuple[str, ...], folder: Path, patience: Patience) -> dict[str, dict[str, object]]:
    """Write the members into ``folder``; return ``{"sha256": …, "bytes": …}`` of each by its name there.

    The names come from ``members``, never from the archive. Raises :class:`Unavailable` as :func:`find_members`
    does, and where the content does not fit its checksum.
    """
    written: dict[str, dict[str, object]] = {}
    for name, info in find_members(path, members, patience).items():
        target = folder / name
        with target.open("xb") as stream:
            for chunk in _content(path, info):
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        written[name] = {"sha256": sha256_of(target), "bytes": info.file_size}
    return written


def unpacked_bytes(path: Path, members: tuple[str, ...], patience: Patience) -> int:
    """Return how much space the members take."""
    return sum(info.file_size for info in find_members(path, members, patience).values())


def check_members(path: Path, members: tuple[str, ...], patience: Patience) -> None:
    """Read the members to their end without writing them; raises :class:`Unavailable` as :func:`unpack` does."""
    for info in find_members(path, members, patience).values():
        for _ in _content(path, info):
            pass


def _content(path: Path, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's bytes, never more than its entry announces."""
    size = 0
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                yield chunk
    except _DAMAGED as error:
        raise Unavailable(f"{info.filename} in the archive is damaged ({error})") from error
    if size != info.file_size:
        raise Unavailable(f"{info.filename} in the archive ends after {size:,} of {info.file_size:,} bytes")


def _no_zip(path: Path, error: Exception) -> str:
    with path.open("rb") as stream:
        start = stream.read(200).lstrip()
    if start[:1] == b"<":
        return "what came is a web page, not a zip file; the address may have moved"
    return f"what came is no whole zip file ({error})"


def _unsafe(name: str) -> bool:
    path = PureWindowsPath(name)  # knows / and \\ and drives, so it refuses what any system would follow
    return bool(path.drive or path.root) or ".." in path.parts
