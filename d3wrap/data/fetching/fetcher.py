"""Fetch datasets: download their archive, check it, unpack the files d3wrap reads, record what came."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from d3wrap.comparison.run_lock import locked
from d3wrap.data.cache import cache_folder
from d3wrap.data.fetching.contents import check
from d3wrap.data.fetching.download import Job, download
from d3wrap.data.fetching.downloader import Progress
from d3wrap.data.fetching.errors import Unavailable
from d3wrap.data.fetching.manual import manual_way
from d3wrap.data.fetching.patience import Patience
from d3wrap.data.fetching.placing import is_in_place, put_in_place
from d3wrap.data.fetching.record import Record
from d3wrap.data.fetching.sources import Source, find_source
from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of

How = Literal["present", "unpacked", "downloaded"]
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Fetched:
    """A dataset that is there now."""

    source: Source
    path: Path
    """The folder to give to :func:`d3wrap.load_dataset`."""
    how: How
    """Whether it was there already, came out of an archive that was there, or was downloaded."""


def default_folder() -> Path:
    """Return where datasets go without ``out``: ``datasets`` in the cache."""
    return cache_folder() / "datasets"


def fetch(
    names: Sequence[str],
    out: Path | None = None,
    *,
    url: str | None = None,
    sha256: str | None = None,
    keep: bool = True,
    patience: Patience | None = None,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    progress: Progress = lambda done, total: None,
) -> list[Fetched]:
    """Bring the datasets called ``names`` into ``out``, each into a folder of its name; further files of one beside it.

    ``url`` replaces the known addresses and ``sha256`` says what the archive must have; both need names of one
    archive. ``keep=False`` removes the archives in the end; else they stay beside the folders, since several
    datasets share one. What is there already is not fetched again. Everything is checked before it is moved in place.

    Raises :class:`~d3wrap.errors.ConfigError` for a wrong argument, :class:`~d3wrap.errors.MissingExtraError`
    without pooch where something must be downloaded, and :class:`~d3wrap.errors.DataError`, which says what to do by
    hand, where no address gives the file, or it is not what was expected.
    """
    sources = list(dict.fromkeys(_chosen(find_source(name), url, sha256) for name in names))
    if (url or sha256) and len({source.archive.name for source in sources}) > 1:
        raise ConfigError("url and sha256 are of one archive; these datasets are in several, fetch them one by one")
    folder = (out or default_folder()).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            job = Job(folder, out, patience or Patience(), say, progress)
            fetched = [_fetch(source, job) for source in sources]
            for source in sources:
                if source.archive.plain or not keep:
                    (folder / source.archive.name).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error}); name another place with --out, or free some space and type "
            "the same again"
        ) from error
    return fetched


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; two processes would write into one part."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except DataError as error:
            raise DataError(f"{folder}: another process fetches into this folder; wait for it or end it") from error
        yield


def _chosen(source: Source, url: str | None, sha256: str | None) -> Source:
    archive = source.archive
    if url is not None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigError(f"url is {url!r}, expected an address that starts with https:// or http://")
        archive = replace(archive, urls=(url,))
    if sha256 is not None:
        if not _SHA256.fullmatch(sha256.lower()):
            raise ConfigError(f"sha256 is {sha256!r}, expected 64 hexadecimal digits")
        archive = replace(archive, sha256=sha256.lower())
    return replace(source, archive=archive)


def _fetch(source: Source, job: Job) -> Fetched:
    record = Record(job.folder)
    path = job.folder / source.folder
    if is_in_place(source, path, record, job.say):
        return Fetched(source, path, "present")
    known = _known_sha256(source, record)
    how: How = "unpacked"
    archive = job.folder / source.archive.name
    if archive.exists():
        _check_archive(source, archive, known, job)
    else:
        download(source, known, job)
        how = "downloaded"
    if record.sha256(source.archive.name) is None:
        record.archives[source.archive.name] = {"sha256": known or sha256_of(archive), "bytes": archive.stat().st_size}
        record.write()
        if known is None:
            job.say(
                f"{archive}: no SHA-256 was known to compare with; {record.sha256(source.archive.name)} is recorded "
                f"in {record.path.name}, and later downloads into this folder must match it"
            )
    put_in_place(source, path, record, job)
    return Fetched(source, path, how)


def _known_sha256(source: Source, record: Record) -> str | None:
    recorded, expected = record.sha256(source.archive.name), source.archive.sha256
    if recorded and expected and recorded != expected:
        raise DataError(
            f"{record.path}: {source.archive.name} was recorded with SHA-256 {recorded}, and now {expected} is "
            "expected; use another folder (--out), or remove the entry if the new one is right"
        )
    return expected or recorded


def _check_archive(source: Source, archive: Path, known: str | None, job: Job) -> None:
    """Check an archive that was there already, from an earlier fetch or put there by hand."""
    try:
        if known is None:
            check(source, archive, job.patience)
        elif (found := sha256_of(archive)) != known:
            raise Unavailable(f"its SHA-256 is {found}, expected {known}")
    except Unavailable as error:
        raise DataError(
            f"{archive}: {error}; remove it to fetch it again\n{manual_way(source, job.folder, job.out)}"
        ) from error
