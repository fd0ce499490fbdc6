"""Read the names of classes from the kinds of files that benchmarks come with."""

from __future__ import annotations

import os
import re
from pathlib import Path

from d3wrap.data.limits import DEFAULT_LIMITS
from d3wrap.data.opening import first_bytes
from d3wrap.errors import DataError

_NAME_ID = re.compile(r"(\S+)\s+(\d+)(?:\s.*)?")
_ID_NAME = re.compile(r"(\d+)\s+(\S.*)")


def read_text(path: str | os.PathLike[str]) -> str:
    """Return what a UTF-8 text file holds.

    Raises :class:`~d3wrap.errors.DataError` for a file that cannot be read, is empty or is not UTF-8.
    """
    source = Path(path)
    first_bytes(source, 1, DEFAULT_LIMITS)
    content = source.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source}:{line}: not UTF-8; save the file as UTF-8") from error


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """Return the lines of a text file without spaces around them, blank ones at its end left out."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DataError(f"{path}: has no text in it")
    return lines


def read_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the class names of a file, in the order of their ids where it has any, else of its lines.

    A line is a name, or a name and an id (``pink_primrose 1 …``, as in FLO's ``class_names.txt``), or an id and a
    name (``1 001.Black_footed_Albatross``, as in ``classes.txt`` of CUB and AWA2); ids run from 1, and every line
    must have one for them to count. Raises :class:`~d3wrap.errors.DataError` that names the line for a blank line, a
    name that comes twice, and ids of which one is missing or comes twice.
    """
    lines = read_lines(path)
    for number, line in enumerate(lines, 1):
        if not line:
            raise DataError(f"{path}:{number}: is blank, expected the name of a class")
    names = _by_id(path, lines, _NAME_ID, 1, 2) or _by_id(path, lines, _ID_NAME, 2, 1) or lines
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name in seen:
            raise DataError(f"{path}: class {number} has the name of class {seen[name]}, {name!r}")
        seen[name] = number
    return tuple(names)


def _by_id(
    path: str | os.PathLike[str], lines: list[str], form: re.Pattern[str], name: int, number: int
) -> list[str] | None:
    """Return the names by their ids, or ``None`` where the lines are not of this form."""
    found = [form.fullmatch(line) for line in lines]
    if not all(found):
        return None
    ids = [int(match[number]) for match in found if match]
    within = sum(1 <= one <= len(lines) for one in ids)
    if 2 * within < len(lines):  # e.g. "Boeing 747"
        return None
    places = {one: place for place, one in enumerate(ids)}
    if within < len(ids) or len(places) < len(ids):
        missing = next(one for one in range(1, len(lines) + 1) if one not in places)
        raise DataError(f"{path}: ids from 1 to {len(lines)} seem to stand beside the names, but {missing} is missing")
    return [str(match[name]) for one in range(1, len(lines) + 1) if (match := found[places[one]])]
