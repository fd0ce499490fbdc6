"""Turn a pair of MATLAB files in the xlsa17 format into a dataset.

The format (Xian et al., 2018, arXiv 1707.00600): one file with ``features`` d × n and ``labels`` n × 1 from 1,
one with the class semantics k × C, a column per class, and row numbers from 1. Inside this module arrays are
transposed already, as :mod:`d3wrap.data.matlab` gives them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.data.class_names import numbered, read_class_names
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import Limits
from d3wrap.data.matlab import MatlabFile, read_matlab
from d3wrap.data.xlsa17_files import Sources
from d3wrap.errors import DataError

ROWS = ("trainval_loc", "test_seen_loc", "test_unseen_loc")
OFFICIAL_ROWS = ("train_loc", "val_loc")


def read_xlsa17(sources: Sources, semantics: str, scratch: Path, limits: Limits) -> GZSLDataset:
    """Read a dataset, unscaled, class ids and rows from 0; ``semantics`` names the variable to describe classes by.

    ``official_train`` and ``official_val`` are intersected with ``trainval_loc``, because the files of most
    benchmarks list every ``test_seen`` image there too. Raises :class:`~d3wrap.errors.DataError` where the
    files do not have the format; the content is checked by :mod:`d3wrap.data.checks`.
    """
    file = read_matlab(sources.features, ("features", "labels"), scratch, limits)
    labels = read_labels(file)
    return with_split(sources, labels, _features(file, len(labels)), semantics, scratch, limits)


def with_split(
    sources: Sources, labels: NDArray[np.int64], features: Tensor, semantics: str, scratch: Path, limits: Limits
) -> GZSLDataset:
    """Return the dataset of these features and labels (from 1) with the split file's semantics, classes and rows.

    Raises what :func:`read_xlsa17` does.
    """
    wanted = (semantics, *ROWS, *OFFICIAL_ROWS, "allclasses_names")
    split = read_matlab(sources.split, wanted, scratch, limits)
    attributes = _semantics(split, semantics, int(labels.max()))
    train, test_seen, test_unseen = (_rows(split, name, len(labels)) for name in ROWS)
    official = [
        _within(_rows(split, name, len(labels)), train) if name in split.arrays else None for name in OFFICIAL_ROWS
    ]
    return GZSLDataset(
        name=sources.directory.resolve().name,
        features=features,
        labels=_tensor(labels - 1),
        semantics=torch.from_numpy(attributes).to(torch.float32),
        seen=torch.unique(_tensor(labels[train] - 1)),
        unseen=torch.unique(_tensor(labels[test_unseen] - 1)),
        train=_tensor(train),
        test_seen=_tensor(test_seen),
        test_unseen=_tensor(test_unseen),
        class_names=_class_names(sources, split, len(attributes)),
        provenance={"features": sources.features.stem, "split": sources.split.stem, "semantics": semantics},
        official_train=official[0],
        official_val=official[1],
    )


def _tensor(integers: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(integers))


def _within(rows: NDArray[np.int64], train: NDArray[np.int64]) -> Tensor:
    return _tensor(rows[np.isin(rows, train)])


def _integers(file: MatlabFile, name: str) -> NDArray[np.int64]:
    """Return a vector of whole numbers."""
    array = file.array(name)
    if min(array.shape) != 1:
        rows, columns = array.shape[::-1]
        if 0 in array.shape:
            raise DataError(f"{file.path}: {name} is empty ({rows} × {columns})")
        raise DataError(f"{file.path}: {name} is {rows} × {columns}, expected a vector")
    vector = array.ravel()
    with np.errstate(invalid="ignore"):
        whole = vector.astype(np.int64)
    if not np.array_equal(whole, vector):
        bad = vector[whole != vector][0]
        raise DataError(f"{file.path}: {name} holds {bad!s}, expected whole numbers")
    return whole


def read_labels(file: MatlabFile) -> NDArray[np.int64]:
    """Return the variable ``labels``, class ids from 1; raises :class:`~d3wrap.errors.DataError` for others."""
    labels = _integers(file, "labels")
    if labels.min() < 1:
        hint = "; they seem to count from 0: add 1" if labels.min() == 0 else ""
        raise DataError(f"{file.path}: labels has {labels.min()}, expected class ids from 1{hint}")
    return labels


def _rows(file: MatlabFile, name: str, count: int) -> NDArray[np.int64]:
    rows = _integers(file, name)
    if rows.min() < 1 or rows.max() > count:
        bad = rows.min() if rows.min() < 1 else rows.max()
        hint = "; rows seem to count from 0: add 1" if bad == 0 else "; is this the split of these features?"
        raise DataError(f"{file.path}: {name} has row {bad}, expected 1 … {count}{hint}")
    return rows - 1


def _features(file: MatlabFile, count: int) -> Tensor:
    array = file.array("features")
    n, d = array.shape
    if n != count:
        hint = "; it seems to be transposed" if d == count else ""
        raise DataError(
            f"{file.path}: features is {d} × {n} and there are {count} labels, expected one column per label{hint}"
        )
    return torch.from_numpy(array).to(torch.float32)


def _semantics(file: MatlabFile, name: str, classes: int) -> NDArray[Any]:
    array = file.array(name)
    count, k = array.shape
    if count < classes or (k == classes != count):
        hint = "; it seems to be transposed" if k == classes else ""
        raise DataError(
            f"{file.path}: {name} is {k} × {count} and labels go to {classes}, expected one column per class{hint}"
        )
    if name == "original_att" and array.min() == -1:
        missing = int((array == -1).sum())
        raise DataError(
            f"{file.path}: {name} has {missing} entries of −1, the mark of a missing value; use semantics='att'"
        )
    return array


def _class_names(sources: Sources, split: MatlabFile, count: int) -> tuple[str, ...]:
    if "allclasses_names" in split.texts:
        names = split.texts["allclasses_names"]
        if len(names) != count:
            raise DataError(
                f"{split.path}: allclasses_names has {len(names)} names, expected one for each of {count} classes"
            )
        return tuple(names)
    if sources.class_names is not None:
        return read_class_names(sources.class_names, count)
    return numbered(count)
