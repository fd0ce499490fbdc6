"""Which classes are seen and which unseen, in the numbers a script gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.arrays import label_vector
from d3wrap.foreign.names import Found

GIVE_IDS = "give the ids of the seen and the unseen classes as 'seen' and 'unseen' in data"

Lists = dict[str, Tensor]
"""The class ids a script lists, in its own order, as ``seen`` and ``unseen``; what it does not list is not there."""


@dataclass(frozen=True)
class Classes:
    """Ids of seen and unseen classes as the script counts them (from 0) and in its order, and each split's labels."""

    seen: Tensor
    unseen: Tensor
    labels: dict[str, Tensor]
    given: bool = True
    """Whether the script itself says which classes are seen; if not, that was taken from the labels."""

    @property
    def in_order(self) -> bool:
        """Whether the seen and the unseen classes are listed in ascending order."""
        return all(torch.equal(ids, ids.sort().values) for ids in (self.seen, self.unseen))

    @property
    def contiguous(self) -> bool:
        """Whether the seen ids are 0 … S−1, so that an id and a place among the seen classes are the same."""
        return is_range(self.seen)


def read_lists(found: dict[str, list[Found]]) -> Lists:
    """Return the lists of class ids the script has; raises :class:`~d3wrap.errors.DataError` for repeated ids."""
    lists: Lists = {}
    for role in ("seen", "unseen"):
        if role in found:
            name, value = found[role][0]
            lists[role] = label_vector(value, name)
            if len(lists[role].unique()) != len(lists[role]):
                raise DataError(f"{name} lists a class more than once")
    return lists


def from_zero(lists: Lists, labels: dict[str, Tensor], num_classes: int) -> tuple[Lists, dict[str, Tensor], list[str]]:
    """Make class numbers count from 0 where it is certain that they count from 1: all together they are 1 … C."""
    lines = []
    trained = labels["train"].unique()
    same = "seen" in lists and torch.equal(trained, lists["seen"].sort().values) and not is_range(trained)
    if shifted := _one_to(list(lists.values()), num_classes):
        lists = {role: ids - 1 for role, ids in lists.items()}
        lines.append("class ids in the data count from 1; here they count from 0")
    if _one_to(list(labels.values()), num_classes) or (shifted and same):
        labels = {split: values - 1 for split, values in labels.items()}
        lines.append("labels in the data count from 1; here they count from 0")
    return lists, labels, lines


def _one_to(vectors: list[Tensor], num_classes: int) -> bool:
    return bool(vectors) and torch.equal(torch.cat(vectors).unique(), torch.arange(1, num_classes + 1))


def find_classes(lists: Lists, labels: dict[str, Tensor], num_classes: int, num_seen: int | None = None) -> Classes:
    """Complete the lists of seen and unseen ids from each other, the labels and the number of rows of the table.

    ``num_seen``: the first so many rows of the table are known to be the seen classes, whatever their ids.
    Raises :class:`~d3wrap.errors.DataError` where they contradict each other or cannot be known.
    """
    trained, tested = labels["train"].unique(), labels["test_unseen"].unique()
    given = bool(lists)
    if not lists and num_seen is not None and fits_within(trained, num_seen):
        given, seen, unseen = True, torch.arange(num_seen), torch.arange(num_seen, num_classes)
    elif not lists:
        seen, unseen = trained, tested if len(tested) else _others(trained, num_classes)
        if bool(torch.isin(tested, trained).any()) or not fits_within(torch.cat([seen, unseen]), num_classes):
            raise DataError(
                f"labels of training images are {shown(trained)}, of unseen test images {shown(tested)}, and the table "
                f"of semantics has {num_classes} rows: which row is which class's is not known. {GIVE_IDS.capitalize()}"
            )
    else:
        seen = lists["seen"] if "seen" in lists else _completed(lists["unseen"], trained, num_classes)
        unseen = lists["unseen"] if "unseen" in lists else _completed(seen, tested, num_classes)
    shared = seen[torch.isin(seen, unseen)]
    if len(shared):
        raise DataError(f"{len(shared)} classes are both seen and unseen, e.g. {int(shared[0])}: {GIVE_IDS}")
    if not len(unseen):
        raise DataError(f"all {num_classes} classes are seen, none is unseen: {GIVE_IDS}")
    return Classes(seen, unseen, labels, given)


def _completed(listed: Tensor, present: Tensor, num_classes: int) -> Tensor:
    """Return the ids of the other classes: all not listed, or those present in labels where these are fewer."""
    others = _others(listed, num_classes)
    as_ids = len(present) > 0 and bool(torch.isin(present, others).all())
    return present if as_ids and len(present) < len(others) and not is_range(present) else others


def _others(ids: Tensor, num_classes: int) -> Tensor:
    everything = torch.arange(num_classes)
    return everything[~torch.isin(everything, ids)]


def is_range(ids: Tensor) -> bool:
    """Return whether ``ids`` are 0 … n−1 in this order."""
    return torch.equal(ids, torch.arange(len(ids)))


def places_of(values: Tensor, ids: Tensor) -> Tensor:
    """Return the place of each value in ``ids``, which are in any order and hold all values."""
    order = ids.argsort()
    return order[torch.searchsorted(ids[order], values)]


def fits_within(ids: Tensor, count: int) -> bool:
    """Return whether all ``ids`` lie in 0 … ``count`` − 1."""
    return not len(ids) or (int(ids.min()) >= 0 and int(ids.max()) < count)


def shown(ids: Tensor) -> str:
    """Return ids in ascending order and in short, e.g. ``0 … 149`` or ``1, 4, 5 … 199 (150 numbers)``."""
    values = sorted(ids.tolist())
    if len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} … {values[-1]}"
    if len(values) <= 6:
        return ", ".join(map(str, values)) or "none"
    return f"{', '.join(map(str, values[:3]))} … {values[-1]} ({len(values)} numbers)"
