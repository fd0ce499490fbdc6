"""Where converted datasets are kept, so that a ``.mat`` file is parsed once."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from d3wrap.data.tensor_file import SUFFIX


def converted_path(directory: Path, stem: str, digests: dict[str, str], cache: str | os.PathLike[str] | None) -> Path:
    """Return where the conversion of sources with these SHA-256 digests belongs.

    In ``cache`` when given, else in ``$D3WRAP_CACHE`` when set, else beside the sources, or in
    ``$XDG_CACHE_HOME/d3wrap`` when their directory is read-only. In a cache the name holds a digest of the
    sources, since many datasets share it.
    """
    chosen = cache or os.environ.get("D3WRAP_CACHE")
    if chosen is None and _writable(directory):
        return directory / f"{stem}{SUFFIX}"
    folder = Path(cache).expanduser() if cache else cache_folder()
    key = hashlib.sha256("\n".join(f"{name} {digests[name]}" for name in sorted(digests)).encode()).hexdigest()
    return folder / f"{directory.resolve().name}-{stem}-{key[:16]}{SUFFIX}"


def cache_folder() -> Path:
    """Return ``$D3WRAP_CACHE`` when set, else ``$XDG_CACHE_HOME/d3wrap``."""
    chosen = os.environ.get("D3WRAP_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "d3wrap"


def _writable(directory: Path) -> bool:
    # the mode too: whoever made a directory read-only wants it left alone, even by root
    writable_mode = directory.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    return bool(writable_mode) and os.access(directory, os.W_OK)
