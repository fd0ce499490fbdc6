"""Find the image files of a folder or a zip file, and put them in an order people expect."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from d3wrap.errors import DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
"""The endings, in either case, that make a file an image; any other file is passed over."""

_Key = tuple[tuple[tuple[str | int, ...], str], ...]


def is_image(name: str) -> bool:
    """Return whether a path with ``/`` is one of an image: by its ending, and not hidden or a Mac's bookkeeping."""
    hidden = (part == "__MACOSX" or (part.startswith(".") and part != "..") for part in PurePosixPath(name).parts)
    return name.lower().endswith(SUFFIXES) and not any(hidden)


def natural(name: str) -> _Key:
    """Return a sort key that puts ``img2`` before ``img10``, folder by folder, upper and lower case together."""
    return tuple((_pieces(part), part) for part in name.split("/"))


def _pieces(part: str) -> tuple[str | int, ...]:
    # every second piece is a number, so that numbers are compared with numbers
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(re.split("([0-9]+)", part.casefold())))


def files_in_folder(folder: Path) -> dict[str, Path]:
    """Return the images below ``folder`` by their path relative to it, in natural order.

    Links are followed, but not to a folder that they are in.
    """
    found: dict[str, Path] = {}
    _walk(folder, "", (folder.resolve(),), found)
    return {name: found[name] for name in sorted(found, key=natural)}


def _walk(folder: Path, prefix: str, ancestors: tuple[Path, ...], found: dict[str, Path]) -> None:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir():
            real = Path(entry.path).resolve()
            if real not in ancestors and not entry.name.startswith("."):
                _walk(Path(entry.path), f"{name}/", (*ancestors, real), found)
        elif is_image(name):
            if not name.isprintable():
                raise DataError(f"{folder}: the name {name!r} has characters that cannot be written as text; rename it")
            found[name] = Path(entry.path)


def members_of_zip(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the images in a zip file by their path in it, in natural order.

    Raises :class:`~d3wrap.errors.DataError` for an image whose path is absolute or has ``..``, that is a link, is
    encrypted, or is there twice.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.is_dir() or not is_image(info.filename):
            continue
        reason = _refused(info) or ("is there twice" if info.filename in found else None)
        if reason:
            raise DataError(f"{path}: its member {info.filename!r} {reason}; make the archive again")
        found[info.filename] = info
    return {name: found[name] for name in sorted(found, key=natural)}


def _refused(info: zipfile.ZipInfo) -> str | None:
    parts = PureWindowsPath(info.filename)  # knows / and \ and drives
    if parts.drive or parts.root or ".." in parts.parts:
        return "has an unsafe path"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    return "is encrypted" if info.flag_bits & 0x1 else None
