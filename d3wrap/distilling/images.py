"""Find the image of every row of a dataset."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from d3wrap.data.limits import DEFAULT_LIMITS
from d3wrap.data.matlab import read_matlab
from d3wrap.data.xlsa17_files import find_sources
from d3wrap.errors import D3WrapWarning, DataError
from d3wrap.vision.images import ImageSource, load_images
from d3wrap.vision.matching import match_images
from d3wrap.vision.record import image_names


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
    which image a row is, and where `d3wrap features extract` made it, its record; else the images in natural order of
    their names are the rows, as many as there are, and a warning says so. ``cache`` is a folder where the pixels are
    kept and mapped into memory. Raises :class:`~d3wrap.errors.DataError` where images and rows do not match.
    """
    available = ImageSource(images)
    names = _named(source, features, split)
    if names is None:
        if len(available) != rows:
            raise DataError(
                f"{images}: has {len(available):,} images, the dataset {rows:,} rows and no names of images: "
                "expected one image for each row, in the order of their names"
            )
        warnings.warn(
            D3WrapWarning(
                f"dataset {source} names no images: those of {images} are taken for its rows in the order of their "
                "names; where its rows are in another order, give the folder it was converted from"
            ),
            stacklevel=2,
        )
        return load_images(available, size=size, cache=cache)
    places = match_images(names, available.names, str(images), f"dataset {source}")
    return load_images(available, [available.names[place] for place in places], size=size, cache=cache)


def _named(source: str, features: str | None, split: str | None) -> Sequence[str] | None:
    """Return the rows' images as a folder of xlsa17 files or a record of extraction names them, else ``None``."""
    folder = Path(source).expanduser()
    if folder.is_file():
        return image_names(folder)
    if not folder.is_dir():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        file = read_matlab(
            find_sources(folder, features, split).features, ("image_files",), Path(scratch), DEFAULT_LIMITS
        )
    return file.texts.get("image_files")
