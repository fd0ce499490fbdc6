"""Names of classes, from the file beside the features or from the split file."""

from __future__ import annotations

from pathlib import Path

from d3wrap.errors import DataError


def numbered(count: int) -> tuple[str, ...]:
    """Return ``class 0`` … for ``count`` classes nobody named, by class id."""
    return tuple(f"class {index}" for index in range(count))


def read_class_names(path: Path, count: int) -> tuple[str, ...]:
    """Read ``class_names.txt``: a line ``NAME ID …`` per class, ids from 1 to ``count`` in any order.

    Raises :class:`~d3wrap.errors.DataError` that names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 2 or not fields[1].isascii() or not fields[1].isdigit():
            raise DataError(f"{path}:{number}: expected 'NAME ID', found {line!r}")
        label = int(fields[1])
        if label in names or not 1 <= label <= count:
            raise DataError(f"{path}:{number}: class id {label} is given twice or is not in 1 … {count}")
        names[label] = fields[0]
    if len(names) != count:
        missing = next(label for label in range(1, count + 1) if label not in names)
        raise DataError(f"{path}: names {len(names)} classes, expected {count}; class id {missing} has no name")
    return tuple(names[label] for label in sorted(names))
