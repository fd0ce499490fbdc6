"""Read a directory of xlsa17 files, from its conversion where there is one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from d3wrap.data.cache import converted_path
from d3wrap.data.converted import read_converted, write_converted
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import Limits
from d3wrap.data.opening import first_bytes
from d3wrap.data.xlsa17 import read_xlsa17
from d3wrap.data.xlsa17_files import Sources, find_sources
from d3wrap.errors import DataError
from d3wrap.files import sha256_of


def read_directory(
    directory: Path,
    *,
    features: str | None,
    split: str | None,
    semantics: str,
    cache: str | os.PathLike[str] | None,
    limits: Limits,
    check: Callable[[GZSLDataset], None],
) -> GZSLDataset:
    """Read the dataset in ``directory``, unscaled; convert it the first time and when a source has changed.

    What fails ``check`` is never written.
    """
    sources = find_sources(directory, features, split)
    digests = _digests(sources, limits)
    stem = f"{sources.features.stem}+{sources.split.stem}"
    if semantics != "att":
        stem += f"+{semantics}"
    path = converted_path(directory, stem, digests, cache)
    known = _known(path, digests, limits)
    if known is not None:
        check(known)
        return known
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".d3wrap-", dir=path.parent) as scratch:
            dataset = read_xlsa17(sources, semantics, Path(scratch), limits)
            dataset = replace(dataset, provenance={**dataset.provenance, **digests})
            check(dataset)
            write_converted(dataset, path)
    except OSError as error:
        raise DataError(
            f"{path}: the converted dataset cannot be written ({error}); name another place with cache=... "
            "or D3WRAP_CACHE"
        ) from error
    return read_converted(path, limits)


def _digests(sources: Sources, limits: Limits) -> dict[str, str]:
    """Return ``{"sha256.<file>": digest}``, as a dataset's provenance holds them."""
    digests = {}
    for path in sources.files:
        first_bytes(path, 1, limits)
        digests[f"sha256.{path.name}"] = sha256_of(path)
    return digests


def _known(path: Path, digests: dict[str, str], limits: Limits) -> GZSLDataset | None:
    """Return the dataset at ``path`` if it is sound and was converted from these very sources."""
    if not path.exists():
        return None
    try:
        dataset = read_converted(path, limits)
    except DataError:  # damaged, or of another version: convert again
        return None
    found = {key: value for key, value in dataset.provenance.items() if key.startswith("sha256.")}
    return dataset if found == digests else None
