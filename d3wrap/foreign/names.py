"""Under which names training scripts keep their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.arrays import is_array, to_tensor

FEATURES = ("feature", "features", "feat", "feats", "fea", "X", "x")
LABELS = ("label", "labels", "Y", "y")


def _split(starts: tuple[str, ...], ends: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{start}_{end}" for start in starts for end in ends)


ALIASES: dict[str, tuple[str, ...]] = {
    "train_features": (
        *_split(("train", "train_seen", "trainval"), FEATURES),
        "X_train",
        "x_train",
        "pfc_feat_data_train",
    ),
    "train_labels": (*_split(("train", "train_seen", "trainval"), LABELS), "y_train", "Y_train", "labels_train"),
    "test_seen_features": _split(("test_seen", "test_base"), FEATURES),
    "test_seen_labels": _split(("test_seen", "test_base"), LABELS),
    "test_unseen_features": (*_split(("test_unseen", "test_novel"), FEATURES), "pfc_feat_data_test"),
    "test_unseen_labels": (*_split(("test_unseen", "test_novel"), LABELS), "labels_test"),
    "features": ("features", "feature"),
    "labels": ("labels", "label"),
    "train": ("train", "trainval_loc"),
    "test_seen": ("test_seen", "test_seen_loc"),
    "test_unseen": ("test_unseen", "test_unseen_loc"),
    "semantics": (
        "attribute",
        "attributes",
        "aux_data",
        "semantics",
        "semantic",
        "att",
        "atts",
        "class_attributes",
        "class_embeddings",
        "class_embedding",
    ),
    "seen_semantics": (
        "train_att",
        "train_text_feature",
        "seen_pro",
        "attribute_seen",
        "seen_attribute",
        "seen_attributes",
        "seen_att",
        "att_seen",
        "seenclass_aux_data",
        "seen_semantics",
    ),
    "unseen_semantics": (
        "test_att",
        "test_text_feature",
        "unseen_pro",
        "attribute_unseen",
        "unseen_attribute",
        "unseen_attributes",
        "unseen_att",
        "att_unseen",
        "novelclass_aux_data",
        "unseenclass_aux_data",
        "unseen_semantics",
    ),
    "seen": ("seenclasses", "seen_classes", "seenclass", "seen", "train_cid"),
    "unseen": (
        "unseenclasses",
        "novelclasses",
        "unseen_classes",
        "novel_classes",
        "unseenclass",
        "unseen",
        "test_cid",
    ),
    "class_names": ("class_names", "allclasses_names", "classnames"),
}
"""What a thing is, and the names it goes by, the usual one first."""

NESTED = {"train_seen": "train", "train": "train", "test_seen": "test_seen", "test_unseen": "test_unseen"}
"""Names of dictionaries that hold one split each, with its features and labels."""


class Found(NamedTuple):
    """A value and the name it had in the script's data."""

    name: str
    value: object


def find(data: object) -> dict[str, list[Found]]:
    """Return what ``data`` has of :data:`ALIASES`, by what it is: all values found, the usual name first.

    ``data`` is a mapping or an object whose attributes are read; nothing of it is called. Also looked into: a mapping
    ``data`` or ``attribute_dict`` in it, and one dictionary per split.
    """
    found: dict[str, list[Found]] = {role: [] for role in ALIASES}
    for prefix, place in _places(data):
        for role, names in ALIASES.items():
            values = (Found(f"{prefix}{name}", get(place, name)) for name in names)
            found[role] += [one for one in values if is_array(one.value)]
        for name, split in NESTED.items():
            inner = get(place, name)
            if isinstance(inner, Mapping):
                for role, ends in (("features", FEATURES), ("labels", LABELS)):
                    found[f"{split}_{role}"] += list(_inside(inner, f"{prefix}{name}", ends))
    return {role: values for role, values in found.items() if values}


def get(data: object, name: str) -> object:
    """Return the entry or the attribute ``name`` of ``data``, ``None`` where it has none."""
    if isinstance(data, Mapping):
        return data.get(name)
    try:
        return getattr(data, name, None)
    except Exception:  # a property of the script's that cannot be computed is as good as none
        return None


def _places(data: object) -> Iterator[tuple[str, object]]:
    yield "", data
    for name in ("data", "attribute_dict"):
        inner = get(data, name)
        if isinstance(inner, Mapping):
            yield f"{name}.", inner


def _inside(inner: Mapping[object, object], name: str, ends: tuple[str, ...]) -> Iterator[Found]:
    for key, value in inner.items():
        if isinstance(key, str) and key.rpartition("_")[2] in ends and is_array(value):
            yield Found(f"{name}[{key!r}]", value)


def nothing_found(data: object, what: str, names: tuple[str, ...]) -> DataError:
    """Return the error that says ``what`` is missing, which arrays ``data`` does have, and what to give."""
    own = data if isinstance(data, Mapping) else getattr(data, "__dict__", {})
    arrays = [f"{name} {_shape(value)}" for name, value in own.items() if is_array(value)]
    return DataError(
        f"{type(data).__name__} has no {what} under a known name ({', '.join(names[:4])}, …); its arrays are: "
        f"{', '.join(arrays[:20]) or 'none'}. Give a mapping instead: data={{'features': …, 'labels': …, "
        "'semantics': …, 'seen': …, 'unseen': …}, and for evaluation 'test_seen_features', 'test_seen_labels', "
        "'test_unseen_features', 'test_unseen_labels'"
    )


def _shape(value: object) -> str:
    shape = getattr(value, "shape", None)
    return (
        str(list(shape)) if shape is not None else f"[{len(value)}]" if isinstance(value, list | tuple | range) else ""
    )


def tensors(found: list[Found]) -> Iterator[tuple[str, Tensor]]:
    """Return those of the values that hold numbers, each with its name."""
    for name, value in found:
        try:
            yield name, to_tensor(value, name)
        except DataError:  # a text of the same name is something else
            continue
