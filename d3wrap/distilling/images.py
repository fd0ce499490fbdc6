"""Find the image of every row of a dataset."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from torch import Tensor

from d3wrap.data.limits import DEFAULT_LIMITS
from d3wrap.data.matlab import read_matlab
from d3wrap.data.xlsa17_files import find_sources
from d3wrap.errors import DataError
from d3wrap.vision.images import ImageSource, load_images


def images_of(
    images: str | os.PathLike[str],
    source: str,
    rows: int,
    *,
    features: str | None = None,
    split: str | None = None,
    size: int = 64,
    cache: str | os.PathLike[str] | None = None,
) -> Tensor:
    """Return the images of a dataset's rows, uint8 ``[rows, 3, size, size]``.

    ``images`` is a folder or a zip file. Where the dataset is a folder of xlsa17 files, their ``image_files`` says
    which image a row is; else the images in natural order of their names are the rows, as many as there are. ``cache``
    is a folder where the pixels are kept and mapped into memory. Raises :class:`~d3wrap.errors.DataError` where images
    and rows do not match.
    """
    available = ImageSource(images)
    names = _named(source, features, split)
    if names is None:
        if len(available) != rows:
            raise DataError(
                f"{images}: has {len(available):,} images, the dataset {rows:,} rows and no names of images: "
                "expected one image for each row, in the order of their names"
            )
        return load_images(available, size=size, cache=cache)
    return load_images(available, _matched(available, names), size=size, cache=cache)


def _named(source: str, features: str | None, split: str | None) -> list[str] | None:
    """Return the rows' images as a folder of xlsa17 files names them, ``None`` where nothing does."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        file = read_matlab(
            find_sources(folder, features, split).features, ("image_files",), Path(scratch), DEFAULT_LIMITS
        )
    return file.texts.get("image_files")


def _matched(available: ImageSource, names: Sequence[str]) -> list[str]:
    """Return the name in ``available`` of each image; the paths in ``names`` are somebody else's, their ends count."""
    by_end: dict[str, list[str]] = {}
    for name in available.names:
        by_end.setdefault(PurePosixPath(name).name, []).append(name)
    return [_best(available, by_end, name.replace("\\", "/")) for name in names]


def _best(available: ImageSource, by_end: dict[str, list[str]], name: str) -> str:
    candidates = by_end.get(PurePosixPath(name).name, [])
    shared = [_common_end(name, candidate) for candidate in candidates]
    if not candidates or shared.count(max(shared)) > 1:
        why = "several images of that name" if candidates else "no such image"
        raise DataError(f"{available.path}: {why}: the dataset's rows name {name!r}")
    return candidates[shared.index(max(shared))]


def _common_end(one: str, other: str) -> int:
    """Return how many folders and file names two paths agree in, from the end."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
