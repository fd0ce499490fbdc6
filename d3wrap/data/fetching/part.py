"""A download that has begun, and what is needed to go on with it later, in another process too."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from d3wrap.files import write_json


class Part:
    """The beginning of the file at ``url``, kept in ``folder`` beside a note of which state of the file it is of.

    A part belongs to one address: bytes of two servers are never put together.
    """

    def __init__(self, folder: Path, name: str, url: str) -> None:
        key = hashlib.sha256(url.encode()).hexdigest()[:8]
        self.url = url
        self.path = folder / f"{name}.{key}.part"
        self.note = folder / f"{name}.{key}.part.json"

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def validators(self) -> dict[str, str]:
        """Return the ``ETag`` and ``Last-Modified`` that came with the beginning, and its ``total`` length."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none, or half a disk's worth of trouble: start again
            return {}
        sound = isinstance(note, dict) and note.get("url") == self.url
        return {key: str(note[key]) for key in ("etag", "last_modified", "total") if key in note} if sound else {}

    def begin(self, headers: Mapping[str, str], total: int | None) -> None:
        """Forget what is there and note which state of the file is coming."""
        self.drop()
        note = {"url": self.url}
        for key, header in (("etag", "ETag"), ("last_modified", "Last-Modified")):
            if header in headers:
                note[key] = headers[header]
        if total is not None:
            note["total"] = str(total)
        write_json(self.note, note)

    def drop(self) -> None:
        """Remove it."""
        for path in (self.path, self.note):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def resume_headers(self, verified: bool) -> dict[str, str]:
        """Return the headers that ask for the rest, or none where going on would be unsafe.

        Without a strong ETag or a date the server cannot be asked whether the file is still the same; then only a
        file whose SHA-256 is known (``verified``) is gone on with, since that is checked in the end.
        """
        if not self.size:
            return {}
        known = self.validators()
        etag = known.get("etag", "")
        same = etag if etag and not etag.startswith("W/") else known.get("last_modified")
        if same:
            return {"Range": f"bytes={self.size}-", "If-Range": same}
        return {"Range": f"bytes={self.size}-"} if known and verified else {}
