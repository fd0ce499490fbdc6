"""What must hold of a dataset before anything is learnt from it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import DataError

SPLITS = ("train", "test_seen", "test_unseen")


class Check(NamedTuple):
    """One thing that must hold, in words, and the function that raises ``DataError`` where it does not."""

    holds: str
    run: Callable[[GZSLDataset], None]


def check_dataset(dataset: GZSLDataset) -> None:
    """Run every check of :data:`CHECKS` in order; raises :class:`~d3wrap.errors.DataError` at the first that fails."""
    for check in CHECKS:
        check.run(dataset)


def _shapes(data: GZSLDataset) -> None:
    for name, dimensions in (("features", 2), ("labels", 1), ("semantics", 2)):
        shape = tuple(getattr(data, name).shape)
        if len(shape) != dimensions or 0 in shape:
            raise _error(data, f"{name} has shape {shape}, expected {dimensions} dimensions, none of size 0")
    n, d = data.features.shape
    if n != len(data.labels):
        hint = "; features seem to be transposed" if d == len(data.labels) else ""
        raise _error(data, f"features has {n} rows and labels {len(data.labels)}, expected one label per row{hint}")
    for name, rows in (("teacher_features", n), ("text_features", data.num_classes)):
        value = getattr(data, name)
        if value is not None and (value.ndim != 2 or len(value) != rows or not value.shape[1]):
            raise _error(data, f"{name} has shape {tuple(value.shape)}, expected ({rows}, e)")
    if len(data.class_names) != data.num_classes:
        raise _error(
            data, f"{len(data.class_names)} class names and {data.num_classes} rows of semantics, expected as many"
        )


def _finite(data: GZSLDataset) -> None:
    for name in ("features", "semantics", "teacher_features", "text_features"):
        value = getattr(data, name)
        if value is None:
            continue
        bad = ~torch.isfinite(value)
        if bad.any():
            row, column = bad.nonzero()[0].tolist()
            raise _error(
                data,
                f"{name} has {int(bad.sum())} values that are NaN or infinite, the first at row {row}, column {column}",
            )


def _labels(data: GZSLDataset) -> None:
    low, high = int(data.labels.min()), int(data.labels.max())
    if low < 0 or high >= data.num_classes:
        hint = "; ids count from 0 here: subtract 1" if low == 1 and high == data.num_classes else ""
        raise _error(data, f"labels run from {low} to {high}, expected class ids 0 … {data.num_classes - 1}{hint}")


def _rows(data: GZSLDataset) -> None:
    for name in SPLITS:
        rows = getattr(data, name)
        if rows.numel() == 0 or rows.ndim != 1:
            raise _error(data, f"{name} has shape {tuple(rows.shape)}, expected at least one row")
        if int(rows.min()) < 0 or int(rows.max()) >= len(data.labels):
            bad = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
            raise _error(data, f"{name} has row {bad}, expected rows 0 … {len(data.labels) - 1}")


def _unique(data: GZSLDataset) -> None:
    for name in SPLITS:
        values, counts = getattr(data, name).unique(return_counts=True)
        if (counts > 1).any():
            first = int(values[counts > 1][0])
            raise _error(data, f"{name} lists {int((counts > 1).sum())} rows more than once, the first is row {first}")


def _disjoint(data: GZSLDataset) -> None:
    for one, other in combinations(SPLITS, 2):
        shared = _shared(getattr(data, one), getattr(data, other))
        if len(shared):
            raise _error(data, f"{one} and {other} share {len(shared)} rows, the first is row {int(shared[0])}")


def _classes(data: GZSLDataset) -> None:
    shared = _shared(data.seen, data.unseen)
    if len(shared):
        raise _error(data, f"{_names(data, shared)}: both seen and unseen; no unseen class may have training rows")
    if not torch.equal(data.seen, data.labels[data.train].unique()):
        raise _error(data, "seen is not the sorted set of classes of the train rows")
    if not torch.equal(data.unseen, data.labels[data.test_unseen].unique()):
        raise _error(data, "unseen is not the sorted set of classes of the test_unseen rows")
    strange = _without(data.labels[data.test_seen].unique(), data.seen)
    if len(strange):
        raise _error(data, f"{_names(data, strange)}: in test_seen but without training rows")


def _covered(data: GZSLDataset) -> None:
    everything = torch.arange(data.num_classes)
    empty = _without(everything, data.labels)
    if len(empty):
        raise _error(data, f"{_names(data, empty)}: semantics but no images; remove the class or add its images")
    neither = _without(_without(everything, data.seen), data.unseen)
    if len(neither):
        raise _error(data, f"{_names(data, neither)}: images but none in train or test_unseen; remove the class")


def _official(data: GZSLDataset) -> None:
    train, val = data.official_train, data.official_val
    for name, rows in (("official_train", train), ("official_val", val)):
        if rows is not None and len(_without(rows, data.train)):
            raise _error(data, f"{name} has rows that are not in train: test images would be trained on")
    if train is not None and val is not None and len(shared := _shared(train, val)):
        raise _error(data, f"official_train and official_val share {len(shared)} rows, e.g. row {int(shared[0])}")


CHECKS = (
    Check("shapes of features, labels, semantics and names agree", _shapes),
    Check("no NaN and no infinity in features and semantics", _finite),
    Check("labels are class ids", _labels),
    Check("every split has rows, all within range", _rows),
    Check("no split lists a row twice", _unique),
    Check("train, test_seen and test_unseen share no row", _disjoint),
    Check("seen and unseen classes share none and match the splits", _classes),
    Check("every class has images and is seen or unseen", _covered),
    Check("official train and validation rows lie within train", _official),
)


def _error(data: GZSLDataset, message: str) -> DataError:
    return DataError(f"dataset {data.name}: {message}")


def _shared(one: Tensor, other: Tensor) -> Tensor:
    return one[torch.isin(one, other)]


def _without(one: Tensor, other: Tensor) -> Tensor:
    return one[~torch.isin(one, other)]


def _names(data: GZSLDataset, ids: Tensor) -> str:
    shown = ", ".join(f"{int(index)} ({data.class_names[int(index)]})" for index in ids[:3])
    return f"class {shown}" + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
