"""What was fetched and which SHA-256 it had, in a file beside the data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from d3wrap.errors import DataError
from d3wrap.files import write_json

NAME = "d3wrap-data.lock.json"
VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}$")


class Record:
    """The lock file of one folder: archives by name, and datasets by name with their files.

    Raises :class:`~d3wrap.errors.DataError` where the file is there and is not what d3wrap writes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.archives: dict[str, dict[str, Any]] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
            if value["version"] != VERSION:
                raise ValueError(f"version {value['version']!r}, expected {VERSION}")
            archives, datasets = value["archives"], value["datasets"]
            digests = [entry["sha256"] for entry in archives.values()]
            digests += [file["sha256"] for entry in datasets.values() for file in entry["files"].values()]
            if not all(isinstance(digest, str) and _SHA256.match(digest) for digest in digests):
                raise ValueError("a SHA-256 that is none")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{self.path}: is not a record of fetched data ({error!r}); remove it, and what is fetched next "
                "is recorded anew"
            ) from error
        self.archives, self.datasets = archives, datasets

    def sha256(self, archive: str) -> str | None:
        """Return the recorded SHA-256 of an archive."""
        return self.archives.get(archive, {}).get("sha256")

    def files(self, dataset: str) -> dict[str, str]:
        """Return the recorded SHA-256 of each file of a dataset; empty where it was not fetched."""
        return {name: file["sha256"] for name, file in self.datasets.get(dataset, {}).get("files", {}).items()}

    def write(self) -> None:
        """Write the lock file, whole or not at all."""
        write_json(self.path, {"version": VERSION, "archives": self.archives, "datasets": self.datasets})
