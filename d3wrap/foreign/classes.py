"""Which classes are seen and which unseen, in the numbers a script gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.arrays import label_vector
from d3wrap.foreign.names import Found

GIVE_IDS = "give the ids of the seen and the unseen classes as 'seen' and 'unseen' in data"


@dataclass(frozen=True)
class Classes:
    """Sorted ids of seen and unseen classes as the script counts them (from 0), and each split's labels."""

    seen: Tensor
    unseen: Tensor
    labels: dict[str, Tensor]
    given: bool = True
    """Whether the script itself lists its seen or unseen classes; if not, they were found from the labels."""

    @property
    def contiguous(self) -> bool:
        """Whether the seen ids are 0 … S−1, so that an id and a place among the seen classes are the same."""
        return is_range(self.seen)


def read_ids(found: dict[str, list[Found]], role: str) -> Tensor | None:
    """Return the list of class ids the script has as ``seen`` or ``unseen``, sorted, or ``None``."""
    if role not in found:
        return None
    one = found[role][0]
    ids = label_vector(one.value, one.name)
    if len(ids.unique()) != len(ids):
        raise DataError(f"{one.name} lists a class more than once")
    return ids.sort().values


def from_zero(
    seen: Tensor | None, unseen: Tensor | None, labels: dict[str, Tensor], num_classes: int
) -> tuple[Tensor | None, Tensor | None, dict[str, Tensor], list[str]]:
    """Make class numbers count from 0 where it is certain that they count from 1: they are 1 … C."""
    lines = []
    lists = [one for one in (seen, unseen) if one is not None]
    split_labels = [one for one in labels.values() if len(one)]
    own = None if seen is None else labels["train"].unique()
    same = own is not None and torch.equal(own, seen) and not is_range(own)
    if _one_to(lists, num_classes):
        seen, unseen = (None if one is None else one - 1 for one in (seen, unseen))
        lines.append("class ids in the data count from 1; here they count from 0")
    if _one_to(split_labels, num_classes) or (lines and same):
        labels = {name: one - 1 for name, one in labels.items()}
        lines.append("labels in the data count from 1; here they count from 0")
    return seen, unseen, labels, lines


def _one_to(vectors: list[Tensor], num_classes: int) -> bool:
    if not vectors:
        return False
    return torch.equal(torch.cat(vectors).unique(), torch.arange(1, num_classes + 1))


def find_classes(
    seen: Tensor | None,
    unseen: Tensor | None,
    labels: dict[str, Tensor],
    num_classes: int,
    num_seen: int | None = None,
) -> Classes:
    """Complete the lists of seen and unseen ids from each other, the labels and the number of rows of the table.

    ``num_seen`` says that the seen classes are known to be the first so many rows, where the script lists none.
    Raises :class:`~d3wrap.errors.DataError` where they contradict each other or cannot be known.
    """
    trained, tested = labels["train"].unique(), labels["test_unseen"].unique()
    given = seen is not None or unseen is not None
    if seen is None and unseen is None and num_seen is not None:
        seen, unseen = torch.arange(num_seen), torch.arange(num_seen, num_classes)
        given = True
    elif seen is None and unseen is None:
        apart = not bool(torch.isin(tested, trained).any())
        if not apart or not _within(trained, num_classes) or not _within(tested, num_classes):
            raise DataError(
                f"labels of training images are {shown(trained)}, of unseen test images {shown(tested)}, and the table "
                f"of semantics has {num_classes} rows: which rows the classes have is not known. {GIVE_IDS.capitalize()}"
            )
        seen, unseen = trained, tested if len(tested) else _others(trained, num_classes)
    elif unseen is None:
        others = _others(seen, num_classes)
        apart = len(tested) > 0 and not bool(torch.isin(tested, seen).any())
        unseen = tested if apart and len(tested) != len(others) and _within(tested, num_classes) else others
    elif seen is None:
        others = _others(unseen, num_classes)
        apart = not bool(torch.isin(trained, unseen).any())
        seen = trained if apart and len(trained) != len(others) else others
    shared = seen[torch.isin(seen, unseen)]
    if len(shared):
        raise DataError(f"{len(shared)} classes are both seen and unseen, e.g. {int(shared[0])}: {GIVE_IDS}")
    if not len(unseen):
        raise DataError(f"there is no unseen class: {GIVE_IDS}")
    return Classes(seen, unseen, labels, given)


def is_range(ids: Tensor) -> bool:
    """Return whether sorted ``ids`` are 0 … n−1."""
    return torch.equal(ids, torch.arange(len(ids)))


def shown(ids: Tensor) -> str:
    """Return a sorted vector of ids in short, e.g. ``0 … 149`` or ``1, 4, 5 … 199 (150 numbers)``."""
    values = ids.tolist()
    if not values:
        return "none"
    if len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} … {values[-1]}"
    if len(values) <= 6:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[:3]))} … {values[-1]} ({len(values)} numbers)"


def _within(ids: Tensor, num_classes: int) -> bool:
    return not len(ids) or (int(ids.min()) >= 0 and int(ids.max()) < num_classes)


def _others(ids: Tensor, num_classes: int) -> Tensor:
    everything = torch.arange(num_classes)
    return everything[~torch.isin(everything, ids)]
