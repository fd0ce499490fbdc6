"""The images of a script's splits in one array, as the script has them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from d3wrap.data.splits import hold_out
from d3wrap.errors import DataError
from d3wrap.foreign.arrays import described, feature_rows, label_vector, semantic_rows
from d3wrap.foreign.names import ALIASES, Found, nothing_found

SPLITS = ("train", "test_seen", "test_unseen")
HELD_OUT = 0.2


@dataclass
class Splits:
    """Features ``[n, d]`` of all splits, one split after the other, and each split's labels as the script has them."""

    features: Tensor
    labels: dict[str, Tensor]
    lines: list[str] = field(default_factory=list)
    one_array: bool = False
    """Whether one array has the labels of all splits: those of a file then, which are class ids."""

    @property
    def rows(self) -> dict[str, Tensor]:
        """Row numbers of each split in :attr:`features`."""
        ends = torch.tensor([len(self.labels[name]) for name in SPLITS]).cumsum(0).tolist()
        return {name: torch.arange(end - len(self.labels[name]), end) for name, end in zip(SPLITS, ends, strict=True)}


def read_splits(data: object, found: dict[str, list[Found]]) -> Splits:
    """Collect the splits, from an array per split or from one array and row numbers; features are copied once.

    Raises :class:`~d3wrap.errors.DataError` where there are no training images, or features and labels do not fit.
    """
    if "train_features" in found:
        return _separate(data, found)
    for role in ("features", "labels"):
        if role not in found:
            wanted = ALIASES[f"train_{role}"]
            raise nothing_found(data, f"training {role}", wanted)
    if any(name in found for name in SPLITS):
        return _by_rows(found)
    return _whole(data, found)


def _separate(data: object, found: dict[str, list[Found]]) -> Splits:
    features, labels, lines = [], {}, []
    for split in SPLITS:
        if f"{split}_features" not in found:
            labels[split] = torch.empty(0, dtype=torch.int64)
            continue
        if f"{split}_labels" not in found:
            raise nothing_found(data, f"{split} labels", ALIASES[f"{split}_labels"])
        part, labels[split], line = _pair(found[f"{split}_features"][0], found[f"{split}_labels"][0], split)
        features.append(part)
        lines.append(line)
    widths = {part.shape[1] for part in features}
    if len(widths) > 1:
        raise DataError(f"features of the splits are {sorted(widths)} wide, expected one width: " + "; ".join(lines))
    dtype = features[0].dtype
    # cat copies, so nothing the script does to its own arrays later is seen here
    joined = torch.cat([part.to(dtype) for part in features]) if len(features) > 1 else features[0].clone()
    return Splits(joined, labels, lines)


def _pair(features: Found, labels: Found, split: str) -> tuple[Tensor, Tensor, str]:
    numbers = label_vector(labels.value, labels.name)
    rows = feature_rows(features.value, features.name, len(numbers))
    line = f"{features.name} → {split} features {described(rows)}; {labels.name} → their labels"
    return rows, numbers, line


def _by_rows(found: dict[str, list[Found]]) -> Splits:
    features, labels, line = _pair(found["features"][0], found["labels"][0], "all")
    rows = {
        name: label_vector(found[name][0].value, found[name][0].name)
        if name in found
        else torch.empty(0, dtype=torch.int64)
        for name in SPLITS
    }
    lines = [line, *(f"{found[name][0].name} → {len(rows[name])} {name} rows" for name in SPLITS if name in found)]
    chosen = torch.cat(list(rows.values()))
    if len(chosen) and int(chosen.min()) >= 1 and int(chosen.max()) == len(labels):
        rows, chosen = {name: value - 1 for name, value in rows.items()}, chosen - 1
        lines.append("row numbers count from 1")
    if not len(rows["train"]):
        raise DataError("the data has row numbers of test images and none of training images: give 'train'")
    if int(chosen.min()) < 0 or int(chosen.max()) >= len(labels):
        raise DataError(
            f"row numbers run from {int(chosen.min())} to {int(chosen.max())}, expected rows 0 … {len(labels) - 1} of "
            f"{found['features'][0].name}"
        )
    values, counts = chosen.unique(return_counts=True)
    if bool((counts > 1).any()):
        twice = values[counts > 1]
        raise DataError(f"{len(twice)} rows are in a split twice or in two splits, e.g. row {int(twice[0])}")
    return Splits(features[chosen], {name: labels[value] for name, value in rows.items()}, lines, True)


def _whole(data: object, found: dict[str, list[Found]]) -> Splits:
    """Read one array without row numbers: training images, or those of all classes as our own .npz may have them."""
    features, labels, line = _pair(found["features"][0], found["labels"][0], "train")
    tests = any(f"{name}_features" in found for name in SPLITS[1:])
    classes = labels.unique()
    # as many classes as the table has rows: the unseen ones are among them
    if tests or "unseen" not in found or len(classes) != _num_classes(found):
        return _separate(data, {**found, "train_features": found["features"], "train_labels": found["labels"]})
    unseen = label_vector(found["unseen"][0].value, found["unseen"][0].name)
    among = torch.isin(labels, unseen)
    seen = classes[~torch.isin(classes, unseen)]
    train, test_seen = hold_out(labels, seen, HELD_OUT, seed=0)
    rows = {"train": train, "test_seen": test_seen, "test_unseen": among.nonzero().squeeze(1)}
    lines = [
        line.replace("train features", "features of all splits"),
        f"no row numbers: {HELD_OUT:.0%} of each seen class (seed 0) are test_seen, unseen classes test_unseen",
    ]
    split_labels = {name: labels[row] for name, row in rows.items()}
    return Splits(features[torch.cat(list(rows.values()))], split_labels, lines, True)


def _num_classes(found: dict[str, list[Found]]) -> int:
    return len(semantic_rows(found["semantics"][0].value, "semantics")) if "semantics" in found else 0
