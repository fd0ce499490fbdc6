"""A web server on this machine that misbehaves as told, and archives to serve."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from d3wrap.data.fetching import Patience, fetch, find_source

NAMES = ("res101.mat", "att_splits.mat")


class Handler(BaseHTTPRequestHandler):
    """Answers each request by the next entry of the server's script, then as a good server would."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def log_message(self, *_):
        pass

    def end_headers(self):
        self.send_header("Connection", "close")  # each request its own: whether one is reused depends on the moment
        super().end_headers()

    def do_GET(self):
        server = self.server.behaviour
        server.asked.append((self.path, dict(self.headers)))
        answer = server.script.pop(0) if server.script else {}
        if "change" in answer:
            server.content, server.etag = answer["change"]
        if "silent" in answer:
            time.sleep(answer["silent"])
            return
        if "status" in answer:
            self.send_response(answer["status"])
            for key, value in answer.get("headers", {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_file(server, answer)

    def send_file(self, server, answer):
        content, start = answer.get("content", server.content), 0
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, server.etag, server.date)
        if asked and server.ranges and (same or "careless" in answer):
            start = int(asked[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            first = start + answer.get("shift", 0)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        length = answer.get("length", len(content) - start)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in (("ETag", server.etag), ("Last-Modified", server.date), *answer.get("headers", {}).items()):
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content[start : start + answer["after"]] if "after" in answer else content[start:])
        return None


class Behaviour:
    """What the server serves, how it misbehaves next, and what it was asked."""

    def __init__(self, port):
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/a.zip"
        self.content = archive()
        self.etag, self.date = '"one"', None
        self.ranges = True
        self.script, self.asked = [], []

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    @property
    def starts(self):
        """The byte each request began at."""
        return [int(headers.get("Range", "bytes=0-")[6:-1]) for _, headers in self.asked]


def members(name="CUB"):
    # what cannot be packed, so that the archive has a size to drop connections in
    blob = b"".join(hashlib.sha256(bytes([i, len(name)])).digest() for i in range(256))
    return {f"xlsa17/data/{name}/res101.mat": blob, f"xlsa17/data/{name}/att_splits.mat": blob[::-1][:3000]}


def archive(files=None, packing=zipfile.ZIP_DEFLATED):
    """Return a zip file's bytes; ``files`` maps a name, or a ZipInfo, to content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as packed:
        for name, content in (members() | members("AWA2") if files is None else files).items():
            packed.writestr(name, content, compress_type=packing)
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.behaviour = Behaviour(http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield http.behaviour
        http.shutdown()
        thread.join()


@pytest.fixture
def pack():
    return SimpleNamespace(archive=archive, members=members)


@pytest.fixture
def go(server, tmp_path):
    """Fetch CUB from the server without waiting; keeps what was said and how long it would have waited."""

    class Go:
        folder = tmp_path / "data"
        path = folder / "CUB"
        said, waits, seen = [], [], []
        patience = Patience(
            wait=waits.append, chunk_bytes=512, read_seconds=0.2, connect_seconds=2, spare_bytes=0, idle_tries=4
        )

        def __call__(self, *names, bounds=None, **options):
            options = {"url": server.url, **options}
            return fetch(
                names or ("CUB",), self.folder, patience=replace(self.patience, **(bounds or {})),
                say=self.said.append, progress=lambda *pair: self.seen.append(pair), **options,
            )  # fmt: skip

        def left(self):
            """The names in the folder, but for the lock file of processes."""
            return sorted(path.name for path in self.folder.iterdir() if path.name != ".lock")

        def is_whole(self):
            wanted = {name.rpartition("/")[2]: content for name, content in members().items()}
            return {path.name: path.read_bytes() for path in self.path.iterdir()} == wanted

    Go.said, Go.waits, Go.seen = [], [], []
    Go.patience = replace(Go.patience, wait=Go.waits.append)
    return Go()


@pytest.fixture
def mirrors(monkeypatch):
    """Give CUB several addresses."""

    def give(*urls):
        source = find_source("CUB")
        changed = replace(source, archive=replace(source.archive, urls=urls))
        monkeypatch.setattr("d3wrap.data.fetching.fetcher.find_source", lambda name: changed)

    return give
