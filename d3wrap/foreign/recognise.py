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
from d3wrap.foreign.arrays import described, is_array, semantic_rows
from d3wrap.foreign.classes import find_classes, from_zero, read_ids
from d3wrap.foreign.convention import CONVENTIONS, Convention
from d3wrap.foreign.names import Found, find, nothing_found, tensors
from d3wrap.foreign.order import Settled, Tables, settle
from d3wrap.foreign.recognised import Recognised, without_test
from d3wrap.foreign.splits import SPLITS, Splits, read_splits

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
    if tables.full is None and (tables.seen is None or tables.unseen is None):
        raise nothing_found(data, "semantics of all classes", ("attribute", "aux_data", "semantics", "att"))
    settled, more = _settle(found, splits, tables, labels)
    dataset = GZSLDataset(
        name=name or ("arrays" if isinstance(data, Mapping) else type(data).__name__),
        features=splits.features,
        labels=torch.cat([settled.labels[split] for split in SPLITS]),
        semantics=settled.semantics.to(splits.features.dtype),
        seen=settled.labels["train"].unique(),
        unseen=settled.unseen,
        **splits.rows,
        class_names=_class_names(found, len(settled.semantics), settled.by_id),
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
                f"semantics has {len(table)} rows, expected one for each of the {dataset.num_classes} classes of dataset "
                f"{dataset.name}"
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
    """Return the tables of semantics; a copy each, since scripts change theirs in place."""
    lines: list[str] = []
    images = len(splits.labels["train"])
    full = None
    if semantics is not None:
        full = semantic_rows(semantics, "semantics").clone()
        lines.append(f"semantics given: {described(full)}")
    elif "semantics" in found:
        first, *others = found["semantics"]
        full = semantic_rows(first.value, first.name).clone()
        lines.append(f"{first.name} → semantics {described(full)}")
        unlike = [
            name for name, one in tensors(others) if one.shape != full.shape or not torch.equal(one.to(full), full)
        ]
        if unlike:
            lines.append(f"not used: {', '.join(unlike)}; if it is what the generator gets, give semantics=...")
    if full is not None and (turned := _transposed(full, found, splits)) is not None:
        full = turned
        lines.append("the table of semantics is transposed: a column per class")
    parts: dict[str, Tensor | None] = {"seen_semantics": None, "unseen_semantics": None, "per_image": None}
    for role in ("seen_semantics", "unseen_semantics"):
        for table_name, table in tensors(found.get(role, [])):
            if table.ndim != 2 or 0 in table.shape:
                continue
            key = "per_image" if len(table) == images and role == "seen_semantics" else role
            if parts[key] is None:
                parts[key] = table.to(splits.features.dtype)
                if full is None:
                    lines.append(f"{table_name} → {key.replace('_', ' ')} {described(table)}")
    return Tables(full, parts["seen_semantics"], parts["unseen_semantics"], parts["per_image"]), lines


def _transposed(table: Tensor, found: dict[str, list[Found]], splits: Splits) -> Tensor | None:
    """Return the table with a row per class where it can only have a column per class, else ``None``."""
    ids = [one for role in ("seen", "unseen") if (one := read_ids(found, role)) is not None]
    values = torch.cat([*ids, splits.labels["train"]])
    lowest = int(values.min())
    needed = int(values.max()) + (lowest < 1)  # ids may count from 1
    classes = (
        [len(one) for one in ids]
        if len(ids) == 2
        else [len(splits.labels[s].unique()) for s in ("train", "test_unseen")]
    )
    rows, columns = table.shape
    if rows < needed <= columns and rows != sum(classes):
        return table.T.contiguous()
    return None


def _settle(
    found: dict[str, list[Found]], splits: Splits, tables: Tables, asked: Convention | None
) -> tuple[Settled, list[str]]:
    num_seen = None
    if tables.full is not None:
        rows = len(tables.full)
        if asked == "block":
            num_seen = len(splits.labels["train"].unique())
    else:
        assert tables.seen is not None
        assert tables.unseen is not None
        num_seen, rows = len(tables.seen), len(tables.seen) + len(tables.unseen)
    seen, unseen = read_ids(found, "seen"), read_ids(found, "unseen")
    seen, unseen, split_labels, lines = from_zero(seen, unseen, splits.labels, rows)
    classes = find_classes(seen, unseen, split_labels, rows, num_seen)
    return settle(tables, classes, asked), lines


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
    if not len(dataset.train):
        raise DataError(f"dataset {dataset.name}: has no training images")


def _remarks(dataset: GZSLDataset, num_seen: int) -> list[str]:
    """Return what a person should know of the dataset beyond where it came from."""
    train = dataset.train_features
    low, high = (float(value) for value in torch.aminmax(train))
    scale = "in [0, 1]" if low >= 0 and 0 < high <= 1 else f"from {low:.4g} to {high:.4g}"
    lines = [
        f"{len(dataset.seen)} seen and {len(dataset.unseen)} unseen classes; images: {len(train)} to train on, "
        f"{len(dataset.test_seen)} test_seen, {len(dataset.test_unseen)} test_unseen",
        f"training features {scale}, not rescaled",
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
