"""One process at a time in a run's folder."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from d3wrap.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE = 5.0
"""Seconds to wait for a process that is just ending."""
_POLL = 0.05


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock inside the block; the system lets go of it however the process ends.

    Raises :class:`~d3wrap.errors.DataError` where another process holds it for a few seconds. File systems that
    know no locks are let pass.
    """
    path = folder / ".lock"
    with path.open("a+", encoding="utf-8") as stream:
        end = time.monotonic() + PATIENCE
        while fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > end:
                    stream.seek(0)
                    raise DataError(
                        f"{folder}: {stream.read().strip() or 'another process'} is at work on this run; wait for it "
                        "or end it"
                    ) from error
                time.sleep(_POLL)
                continue
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
                    raise
            break
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {platform.node()}")
        stream.flush()
        yield
