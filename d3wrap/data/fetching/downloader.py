"""A downloader for pooch that goes on after a dropped connection instead of starting again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from d3wrap.data.fetching.errors import Interrupted, Unavailable
from d3wrap.data.fetching.part import Part
from d3wrap.data.fetching.patience import Patience

if TYPE_CHECKING:
    import requests
    from requests import Response

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where the server says, how many there will be."""
_AGAIN = (408, 425, 429)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$")


class ResumingDownloader:
    """Fetches ``part.url`` by HTTP with ``Range`` and ``If-Range``, a bounded number of tries, and waits between them.

    ``verified``: pooch will compare the SHA-256. ``need(bytes)`` raises where the disk is too full for that many
    more; ``inspect(path)`` looks at the whole file before it is handed on. Raises :class:`Unavailable`; what has
    come by then stays in ``part``, but where ``inspect`` refuses it.
    """

    def __init__(
        self,
        part: Part,
        *,
        patience: Patience,
        verified: bool,
        need: Callable[[int], None],
        inspect: Callable[[Path], None],
        say: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self.part = part
        self.patience = patience
        self.verified = verified
        self.need = need
        self.inspect = inspect
        self.say = say
        self.progress = progress
        self.resumed = False
        """Whether bytes of an earlier try are in the file."""

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool | None = False) -> None:
        """Write the file to ``output_file``, the way pooch calls its downloaders."""
        self._complete()
        try:
            self.inspect(self.part.path)
        except Unavailable:
            self.part.drop()
            raise
        self.part.path.replace(output_file)
        self.part.drop()

    def _complete(self) -> None:
        idle = 0
        for _ in range(self.patience.tries):
            before = self.part.size
            try:
                return self._transfer()
            except Interrupted as error:
                idle = 0 if self.part.size > before else idle + 1
                if idle >= self.patience.idle_tries:
                    raise Unavailable(f"{error}; {idle} tries in a row brought nothing new") from error
                seconds = self.patience.pause(idle, error.after)
                self.say(f"{self.part.url}: {error}; {self.part.size:,} bytes are there, next try in {seconds:.0f} s")
                self.patience.wait(seconds)
        raise Unavailable(f"not complete after {self.patience.tries} tries; the same command goes on from there")

    def _transfer(self) -> None:
        import requests

        headers = {"Accept-Encoding": "identity", **self.part.resume_headers(self.verified)}
        timeout = (self.patience.connect_seconds, self.patience.read_seconds)
        try:
            with requests.get(self.part.url, headers=headers, stream=True, timeout=timeout) as response:
                self._receive(response, asked="Range" in headers)
        except requests.exceptions.SSLError as error:
            raise Unavailable(f"the server's certificate is not accepted ({error})") from error
        except requests.exceptions.Timeout as error:
            raise Interrupted("no answer in time") from error
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise Interrupted(f"no connection, or it dropped ({_short(error)})") from error
        except requests.exceptions.RequestException as error:
            raise Unavailable(_short(error)) from error

    def _receive(self, response: Response, asked: bool) -> None:
        _check_status(response)
        if urlsplit(self.part.url).scheme == "https" and urlsplit(response.url).scheme != "https":
            raise Unavailable(f"leads from https to {response.url}, where anyone on the way could change the file")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Unavailable(f"sends the file as {response.headers['Content-Encoding']}, though asked not to")
        total = self._place(response, asked)
        if total is None and response.status_code == 416:
            return
        if total is not None and total > self.patience.archive_bytes:
            self.part.drop()
            raise Unavailable(f"announces {total:,} bytes, more than the limit of {self.patience.archive_bytes:,}")
        self.need(0 if total is None else total - self.part.size)
        self._write(response, total)
        if total is not None and self.part.size != total:
            raise Interrupted(f"ended after {self.part.size:,} of {total:,} bytes")

    def _place(self, response: Response, asked: bool) -> int | None:
        """Make the part end where the response begins; return the length of the whole file where it is known."""
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        whole = int(match[3]) if match and match[3] != "*" else None
        if response.status_code == 416:
            if asked and whole == self.part.size:
                self.resumed = True
                return None  # all of it was there
            self.part.drop()
            raise Interrupted("the server has no such rest of the file")
        if response.status_code == 206:
            known = self.part.validators()
            same = response.headers.get("ETag", known.get("etag")) == known.get("etag")
            same = same and str(whole) == known.get("total", str(whole))
            if not asked or match is None or match[1] != str(self.part.size) or not same:
                self.part.drop()
                raise Interrupted("the file at the source has changed, or the server sent another piece than asked")
            self.resumed = True
            return whole
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        self.part.begin(response.headers, total)
        self.resumed = False
        return total

    def _write(self, response: Response, total: int | None) -> None:
        size = self.part.size
        self.progress(size, total)
        with self.part.path.open("ab") as stream:
            for chunk in response.iter_content(self.patience.chunk_bytes):
                size += len(chunk)
                if size > self.patience.archive_bytes:
                    self.part.drop()
                    raise Unavailable(f"sends more than the limit of {self.patience.archive_bytes:,} bytes")
                stream.write(chunk)
                self.progress(size, total)


def _check_status(response: Response) -> None:
    code = response.status_code
    if code in (200, 206, 416):
        return
    if code >= 500 or code in _AGAIN:
        after = response.headers.get("Retry-After", "")
        raise Interrupted(f"the server answers {code} {response.reason}", float(after) if after.isdecimal() else None)
    raise Unavailable(f"the server answers {code} {response.reason}")


def _short(error: requests.exceptions.RequestException) -> str:
    """Return what an error of requests comes down to, without the layers and objects it quotes."""
    inner = error.args[0] if error.args else error
    text = str(getattr(inner, "reason", inner))
    text = re.sub(r"^\w+\(host=[^)]*\): |<[^<>]*object at 0x[0-9a-f]+>:? ?", "", text)
    return text if len(text) <= 200 else f"{text[:200]}…"
