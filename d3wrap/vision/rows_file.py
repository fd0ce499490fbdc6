"""Files that say which image is of which class: ``image_files`` of a benchmark, or a table that anybody can write."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.matlab import read_matlab
from d3wrap.data.opening import first_bytes
from d3wrap.data.xlsa17 import read_labels
from d3wrap.errors import DataError

SPLITS = ("train", "test_seen", "test_unseen")
COLUMNS = ("image", "class", "split")


@dataclass(frozen=True)
class Rows:
    """The images of a dataset, row by row."""

    images: tuple[str, ...]
    """Paths as the file has them."""
    classes: tuple[str, ...]
    """Class of each row: a name, or an id from 1."""
    splits: tuple[str, ...] | None = None
    """``train``, ``test_seen``, ``test_unseen`` or nothing for each row; ``None`` where the file does not say."""

    def class_ids(self, where: str) -> NDArray[np.int64] | None:
        """Return the classes as ids from 1, or ``None`` where they are names; mixed ones raise ``DataError``."""
        numeric = [text.isascii() and text.isdigit() for text in self.classes]
        if not any(numeric):
            return None
        if not all(numeric):
            row = numeric.index(False)
            raise DataError(f"{where}: row {row + 1} is of class {self.classes[row]!r} and others of a number")
        ids = np.array([int(text) for text in self.classes], dtype=np.int64)
        if ids.min() < 1:
            raise DataError(f"{where}: has the class id {ids.min()}, expected ids from 1, as the split file has them")
        return ids


def read_rows(path: Path, limits: Limits = DEFAULT_LIMITS) -> Rows:
    """Read a feature file of the xlsa17 format (``.mat``; its ``labels`` and ``image_files``) or a ``.csv`` table.

    The table has a line of column names, ``image,class`` or ``image,class,split``, and a line per row. Raises
    :class:`~d3wrap.errors.DataError` for anything else.
    """
    if path.suffix == ".mat":
        return _of_benchmark(path, limits)
    if path.suffix == ".csv":
        return _of_table(path, limits)
    raise DataError(f"{path}: expected a feature file of a benchmark (.mat) or a table of images (.csv)")


def _of_benchmark(path: Path, limits: Limits) -> Rows:
    with tempfile.TemporaryDirectory(prefix="d3wrap-") as scratch:
        file = read_matlab(path, ("labels", "image_files"), Path(scratch), limits)
    labels = read_labels(file)
    images = file.texts.get("image_files")
    if images is None:
        raise DataError(f"{path}: has no image_files, expected the path of each row's image; write a .csv table")
    if len(images) != len(labels):
        raise DataError(f"{path}: has {len(images)} image_files and {len(labels)} labels, expected as many")
    return Rows(tuple(images), tuple(map(str, labels.tolist())))


def _of_table(path: Path, limits: Limits) -> Rows:
    first_bytes(path, 1, limits)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream, strict=True) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table of comma-separated values ({error})") from error
    header = tuple(name.strip() for name in lines[0]) if lines else ()
    if header not in (COLUMNS, COLUMNS[:2]) or len(lines) < 2:
        raise DataError(f"{path}: begins with {','.join(header)!r}, expected image,class or image,class,split and rows")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header) or not line[0].strip() or not line[1].strip():
            raise DataError(f"{path}: row {number} is {','.join(line)!r}, expected {','.join(header)}")
        if len(line) > 2 and line[2].strip() not in (*SPLITS, ""):
            raise DataError(f"{path}: row {number} is in split {line[2]!r}, expected {', '.join(SPLITS)} or nothing")
    columns = [tuple(line[column].strip() for line in lines[1:]) for column in range(len(header))]
    return Rows(columns[0], columns[1], columns[2] if len(header) > 2 else None)


def of_folders(names: tuple[str, ...]) -> Rows:
    """Return the rows of images in folders that are named after classes, ``CLASS/img.jpg``, in order.

    Raises :class:`~d3wrap.errors.DataError` for an image that is in no folder.
    """
    alone = [name for name in names if "/" not in name]
    if alone:
        raise DataError(
            f"{alone[0]!r} and {len(alone) - 1} more images are in no folder, and folders name the classes: expected "
            "CLASS/img.jpg, or --rows FILE that says of which class they are"
        )
    return Rows(names, tuple(name.split("/")[-2] for name in names))
