"""Put a dataset's files where they belong, all of them or none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from d3wrap.data.fetching.contents import needed_bytes, unpack
from d3wrap.data.fetching.download import Job
from d3wrap.data.fetching.errors import Unavailable
from d3wrap.data.fetching.manual import manual_way
from d3wrap.data.fetching.record import Record
from d3wrap.data.fetching.sources import Source
from d3wrap.errors import DataError
from d3wrap.files import sha256_of


def is_in_place(source: Source, path: Path, record: Record, say: Callable[[str], None]) -> bool:
    """Return whether ``path`` holds all files of ``source``.

    Raises :class:`~d3wrap.errors.DataError` where one is not what was recorded when it was fetched.
    """
    recorded = record.files(source.name)
    there = [name for name in source.files if (path / name).is_file()]
    for name in there:
        if name in recorded and (found := sha256_of(path / name)) != recorded[name]:
            raise DataError(
                f"{path / name}: has SHA-256 {found}, and {recorded[name]} was recorded when it was fetched; move it "
                "away to have it unpacked again"
            )
    complete = len(there) == len(source.files)
    if complete and not recorded:
        say(f"{path}: its files were not put there by this command; they are left as they are, unchecked")
    return complete


def put_in_place(source: Source, path: Path, record: Record, job: Job) -> None:
    """Unpack the archive in the job's folder into ``path`` and record the files.

    A new folder appears with all its files at once. A file that is there is never overwritten: where it differs,
    and where the archive is not what it should be, :class:`~d3wrap.errors.DataError` is raised.
    """
    archive = job.folder / source.archive.name
    scratch = job.folder / f".{source.name}.unpacking"
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed; the folder is locked
    scratch.mkdir()
    try:
        job.need(needed_bytes(source, archive, job.patience))
        files = unpack(source, archive, scratch, job.patience)
        _check_kept(path, files)
        # recorded first: files without a record would count as put there by hand
        record.datasets[source.name] = {
            "archive": source.archive.name, "archive_sha256": record.sha256(source.archive.name), "files": files,
        }  # fmt: skip
        record.write()
        if path.exists():
            for name in files:
                if not (path / name).exists():
                    (scratch / name).replace(path / name)
        else:
            scratch.rename(path)
    except Unavailable as error:
        raise DataError(f"{archive}: {error}\n{manual_way(source, job.folder, job.out)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_kept(path: Path, files: dict[str, dict[str, object]]) -> None:
    for name, entry in files.items():
        if (path / name).exists() and sha256_of(path / name) != entry["sha256"]:
            raise DataError(f"{path / name}: differs from the archive's file; move it away, it is not overwritten")
