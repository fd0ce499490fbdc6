"""Download an archive from the first of its addresses that gives it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d3wrap.data.fetching.contents import check
from d3wrap.data.fetching.downloader import Progress, ResumingDownloader
from d3wrap.data.fetching.errors import Unavailable
from d3wrap.data.fetching.manual import manual_way
from d3wrap.data.fetching.part import Part
from d3wrap.data.fetching.patience import Patience
from d3wrap.data.fetching.sources import Source
from d3wrap.errors import DataError, MissingExtraError


@dataclass(frozen=True)
class Job:
    """What the steps of one fetch share."""

    folder: Path
    out: Path | None
    """The folder as it was asked for; ``None`` for the default."""
    patience: Patience
    say: Callable[[str], None]
    progress: Progress

    def need(self, count: int) -> None:
        """Raise :class:`~d3wrap.errors.DataError` where the disk has no room for ``count`` more bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < count + self.patience.spare_bytes:
            raise DataError(
                f"{self.folder}: {count:,} more bytes are needed and {free:,} are free "
                f"({self.patience.spare_bytes:,} of them are left alone); free some, or name another place with --out"
            )


def download(source: Source, sha256: str | None, job: Job) -> None:
    """Put the archive of ``source`` into the job's folder, once it has ``sha256`` or, unknown, holds sound members.

    Raises :class:`~d3wrap.errors.DataError` with every address's failure and the way to do it by hand, and
    :class:`~d3wrap.errors.MissingExtraError` without pooch.
    """
    pooch = _pooch()
    archive = source.archive
    failures = []
    for url in archive.urls:
        if url.startswith("http:") and sha256 is None:
            job.say(f"{url}: neither https nor a known SHA-256 protects this download from being changed on its way")
        job.say(f"{archive.name}: fetching {url}")
        try:
            _retrieve(pooch, source, url, sha256, job)
        except Unavailable as error:
            failures.append(f"  {url}: {error}")
            job.say(f"{url}: {error}")
        else:
            for left in job.folder.glob(f"{archive.name}.*.part*"):
                left.unlink()
            return
    raise DataError(
        "\n".join((f"{archive.name} could not be fetched:", *failures, manual_way(source, job.folder, job.out)))
    )


def _retrieve(pooch: Any, source: Source, url: str, sha256: str | None, job: Job) -> None:
    def inspect(path: Path) -> None:
        if sha256 is None:  # nothing else would notice half a file or a web page
            check(source, path, job.patience)

    scratch = job.folder / f".{source.archive.name}.arriving"
    while True:
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed; the folder is locked
        part = Part(job.folder, source.archive.name, url)
        downloader = ResumingDownloader(
            part, patience=job.patience, verified=sha256 is not None, need=job.need, inspect=inspect, say=job.say,
            progress=job.progress,
        )  # fmt: skip
        try:
            pooch.retrieve(
                url,
                known_hash=sha256 and f"sha256:{sha256}",
                fname=source.archive.name,
                path=scratch,
                downloader=downloader,
            )
            (scratch / source.archive.name).replace(job.folder / source.archive.name)
            return
        except (ValueError, Unavailable) as error:
            if isinstance(error, Unavailable) and part.size:  # it can be gone on with
                raise
            if not downloader.resumed:
                raise Unavailable(str(error)) from error
            job.say(f"{url}: {error}; pieces of several tries were put together, so it starts again")
            part.drop()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise MissingExtraError("pooch", "fetch", "downloading datasets") from error
    pooch.get_logger().setLevel("WARNING")  # what it says, we say
    return pooch
