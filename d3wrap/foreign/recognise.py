"""A foreign loader, or a mapping of arrays, as a checked dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from d3wrap.data.checks import CHECKS
from d3wrap.data.class_names import numbered
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError, DataError, did_you_mean
from d3wrap.foreign.arrays import described, is_array, semantic_rows, value_range
from d3wrap.foreign.batch_labels import train_rows
from d3wrap.foreign.classes import find_classes, from_zero, read_lists
from d3wrap.foreign.convention import CONVENTIONS, Convention
from d3wrap.foreign.names import ALIASES, Found, find, nothing_found, tensors
from d3wrap.foreign.order import Settled, settle
from d3wrap.foreign.recognised import Recognised, without_test
from d3wrap.foreign.splits import SPLITS, Splits, read_splits
from d3wrap.foreign.tables import Tables

NOT_FOR_TRAINING = (
    "every split has rows, all within range",
    "seen and unseen classes share none and match the splits",
    "every class has images and is seen or unseen",
)
"""Checks that data without test images, or with classes nobody uses, cannot pass and need not."""


def foreign_dataset(
    data: object, *, semantics: object = None, labels: Convention | None = None, name: str | None = None
) -> Recognised:
    """Recognise what a training script holds as a dataset, without rescaling anything.

    ``data`` is a :class:`~d3wrap.data.GZSLDataset` (returned as it is), a loader object with attributes or a mapping of
    arrays, under the names of :data:`d3wrap.foreign.names.ALIASES`. ``semantics [C, k]`` is taken instead of its table.
    ``labels`` says how its training labels count, where its arrays leave that open. The dataset's class ids are rows of
    the script's own table. It is on the CPU, in float64 where the training features are, else in float32; features are
    copied once, so that a script may change its own in place, and nothing of ``data`` is changed or called. Test images
    may be missing: the dataset then has no such rows (see :attr:`Recognised.has_test`).

    Raises :class:`~d3wrap.errors.DataError` where something is missing, contradicts itself or cannot be known; the
    message says what was seen and what to give.
    """
    if labels is not None and labels not in CONVENTIONS:
        raise ConfigError(f"labels={labels!r} is no label convention{did_you_mean(str(labels), CONVENTIONS)}")
    if isinstance(data, GZSLDataset):
        return _passed_through(data, semantics)
    if data is None or isinstance(data, str | bytes) or is_array(data):
        raise DataError(
            f"data is a {type(data).__name__}, expected the script's loader object, a mapping of arrays or a dataset "
            "(d3wrap.load_dataset reads one from a path)"
        )
    found = find(data)
    splits = read_splits(data, found)
    tables, lines = _tables(found, splits, semantics)
    if tables.full is None and tables.sizes is None:
        raise nothing_found(data, "semantics of all classes", ALIASES["semantics"])
    settled, more = _settle(found, splits, tables, labels)
    rows = splits.rows
    dataset = GZSLDataset(
        name=name or ("arrays" if isinstance(data, Mapping) else type(data).__name__),
        features=splits.features,
        labels=torch.cat([settled.labels[split] for split in SPLITS]),
        semantics=settled.semantics.to(splits.features.dtype),
        seen=settled.labels["train"].unique(),
        unseen=settled.unseen.sort().values,
        train=rows["train"],
        test_seen=rows["test_seen"],
        test_unseen=rows["test_unseen"],
        class_names=_class_names(found, len(settled.semantics), settled.order == "global"),
        provenance={"features": "the script's own", "split": "the script's own", "semantics": "the script's own"},
    )
    _check(dataset)
    about = [*splits.lines, *lines, *more, *settled.lines, *_remarks(dataset, len(settled.seen))]
    return Recognised(dataset, settled.convention, tuple(about))


def _passed_through(dataset: GZSLDataset, semantics: object) -> Recognised:
    if semantics is not None:
        table = semantic_rows(semantics, "semantics").to(dataset.features)
        if len(table) != dataset.num_classes:
            raise DataError(
                f"semantics has {len(table)} rows, expected one for each of the {dataset.num_classes} classes of "
                f"dataset {dataset.name}"
            )
        dataset = replace(dataset, semantics=table.clone())
    _check(dataset)
    lines = (
        f"dataset {dataset.name}: features {described(dataset.features)}",
        f"semantics {described(dataset.semantics)}",
        *_remarks(dataset, len(dataset.seen)),
    )
    return Recognised(dataset, "global", lines)


def _tables(found: dict[str, list[Found]], splits: Splits, semantics: object) -> tuple[Tables, list[str]]:
    """Return the tables of semantics; a copy of the one that is used, since scripts change theirs in place."""
    full, lines = _full_table(found, semantics)
    if full is not None and _is_transposed(full, found, splits, given=semantics is not None):
        full = full.T.contiguous()
        lines.append("the table of semantics is transposed: a column per class")
    parts: dict[str, Tensor] = {}
    for role in ("seen_semantics", "unseen_semantics"):
        for name, table in tensors(found.get(role, [])):
            if table.ndim != 2 or 0 in table.shape:
                continue
            key = "per_image" if role == "seen_semantics" and len(table) == len(splits.labels["train"]) else role
            if key not in parts:
                parts[key] = table.to(splits.features.dtype)
                if full is None:
                    lines.append(f"{name} → {key.replace('_', ' ')} {described(table)}")
    return Tables(full, parts.get("seen_semantics"), parts.get("unseen_semantics"), parts.get("per_image")), lines


def _full_table(found: dict[str, list[Found]], semantics: object) -> tuple[Tensor | None, list[str]]:
    if semantics is not None:
        table = semantic_rows(semantics, "semantics").clone()
        return table, [f"semantics given {described(table)}"]
    if "semantics" not in found:
        return None, []
    first, *others = found["semantics"]
    table = semantic_rows(first.value, first.name).clone()
    lines = [f"{first.name} → semantics {described(table)}"]
    unlike = [name for name, one in tensors(others) if not (_equal(one, table) or _equal(one, table.T))]
    if unlike:
        lines.append(f"not used: {', '.join(unlike)}; if the generator is given that, pass it as semantics=...")
    return table, lines


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.to(other), other)


def _is_transposed(table: Tensor, found: dict[str, list[Found]], splits: Splits, *, given: bool) -> bool:
    """Return whether the table has too few rows for the classes, and enough columns.

    Raises :class:`~d3wrap.errors.DataError` where it may be either, unless the user gave the table as it is.
    """
    lists = read_lists(found)
    values = torch.cat([*lists.values(), splits.labels["train"]])
    needed = int(values.max()) + (int(values.min()) < 1)  # they may count from 1
    classes = lists if len(lists) == 2 else {name: splits.labels[name].unique() for name in ("train", "test_unseen")}
    num_classes = sum(map(len, classes.values()))  # a table in the order seen, unseen has so many rows
    rows, columns = table.shape
    if rows == num_classes:
        return False
    if rows >= needed and columns == num_classes and not given:
        raise DataError(
            f"the table of semantics is {rows} × {columns} and there are {num_classes} classes: it seems to have a "
            "column per class. Give it with a row per class as semantics=..., [C, k]"
        )
    return rows < needed <= columns


def _settle(
    found: dict[str, list[Found]], splits: Splits, tables: Tables, asked: Convention | None
) -> tuple[Settled, list[str]]:
    if tables.full is not None:
        rows, num_seen = len(tables.full), len(splits.labels["train"].unique()) if asked == "block" else None
    else:
        num_seen, more = tables.sizes or (0, 0)
        rows = num_seen + more
    lists, labels, lines = from_zero(read_lists(found), splits.labels, rows)
    classes = find_classes(lists, labels, rows, num_seen)
    return settle(tables, replace(classes, given=classes.given or splits.one_array), asked), lines


def _class_names(found: dict[str, list[Found]], count: int, by_id: bool) -> tuple[str, ...]:
    """Return the script's names of classes where they are texts in the order of the ids, else ``class 0`` and so on."""
    if "class_names" in found and by_id:
        value = found["class_names"][0].value
        # MATLAB files give each text as an array of its own
        texts = [np.asarray(one).reshape(-1) for one in value] if not isinstance(value, Tensor) else []  # type: ignore[attr-defined]
        if len(texts) == count and all(text.dtype.kind == "U" and text.size == 1 for text in texts):
            return tuple(str(text[0]) for text in texts)
    return numbered(count)


def _check(dataset: GZSLDataset) -> None:
    """Run the checks of any dataset, but for those of test images and of classes that are not used."""
    for check in CHECKS:
        if check.holds not in NOT_FOR_TRAINING:
            check.run(dataset)


def _remarks(dataset: GZSLDataset, num_seen: int) -> list[str]:
    """Return what a person should know of the dataset beyond where it came from."""
    train = train_rows(dataset)
    lines = [
        f"{len(dataset.seen)} seen and {len(dataset.unseen)} unseen classes; images: {len(train)} to train on, "
        f"{len(dataset.test_seen)} test_seen, {len(dataset.test_unseen)} test_unseen",
        f"training features {value_range(train)}, not rescaled",
    ]
    if num_seen > len(dataset.seen):
        lines.append(f"{num_seen - len(dataset.seen)} of the script's seen classes have no training images: left out")
    neither = dataset.num_classes - num_seen - len(dataset.unseen)
    if neither > 0:
        lines.append(f"{neither} rows of semantics are of classes neither seen nor unseen: never generated")
    tested = dataset.labels[dataset.test_unseen].unique()
    if 0 < len(tested) < len(dataset.unseen):
        lines.append(f"{len(dataset.unseen) - len(tested)} unseen classes have no test images")
    missing = tuple(split for split in SPLITS[1:] if not len(getattr(dataset, split)))
    return [*lines, without_test(missing)] if missing else lines
