"""Look at a file before anything parses it."""

from __future__ import annotations

from pathlib import Path

from d3wrap.data.limits import Limits
from d3wrap.errors import DataError


def first_bytes(path: Path, count: int, limits: Limits) -> bytes:
    """Return the first bytes of a file that exists, can be read, is not empty and not over ``limits.file_bytes``.

    Raises :class:`~d3wrap.errors.DataError` where one of these does not hold.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():
        raise DataError(f"{path}: is not a regular file")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path}: is empty; copy or download it again")
    if size > limits.file_bytes:
        raise DataError(
            f"{path}: has {size:,} bytes, more than the limit of {limits.file_bytes:,}; "
            "if you trust it, pass limits=Limits(file_bytes=...)"
        )
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
