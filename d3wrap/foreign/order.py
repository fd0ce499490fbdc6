"""Which class each label means and each row of the semantics table describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.classes import Classes, is_range, shown
from d3wrap.foreign.convention import Convention
from d3wrap.foreign.nearest import rows_of_table

Order = Literal["global", "block"]
"""The order of a table's rows: by the script's class ids, or the seen classes first and then the unseen ones."""


@dataclass(frozen=True)
class Tables:
    """The semantics a script holds: of all classes, of the seen ones, of the unseen ones, of each training image.

    ``full`` was given or found under the usual name; any but one way to know all classes may be missing.
    """

    full: Tensor | None
    seen: Tensor | None
    unseen: Tensor | None
    per_image: Tensor | None = None


@dataclass(frozen=True)
class Settled:
    """The table, each split's labels as rows of it, and how the script's own training labels count."""

    semantics: Tensor
    labels: dict[str, Tensor]
    seen: Tensor
    unseen: Tensor
    convention: Convention
    lines: tuple[str, ...]
    by_id: bool
    """Whether the rows of the table are in the order of the script's class ids."""


def settle(tables: Tables, classes: Classes, asked: Convention | None) -> Settled:
    """Find out how each split's labels count and in which order the table is, and bring them together.

    ``asked`` is what the user says of the training labels; it settles what the arrays leave open. Raises
    :class:`~d3wrap.errors.DataError` where that is not enough, saying what was seen and what to give.
    """
    by_place = _training_labels_are_places(classes, asked)
    order, semantics, lines = _table(tables, classes, by_place, asked)
    num_seen, num_unseen = len(classes.seen), len(classes.unseen)
    if order == "global":
        seen, unseen = classes.seen, classes.unseen
    else:
        seen, unseen = torch.arange(num_seen), num_seen + torch.arange(num_unseen)
    labels, words = {}, {}
    for split in ("train", "test_seen"):
        places = by_place if split == "train" else _are_places(classes, split, by_place)
        values = classes.labels[split]
        if places or order == "block":
            labels[split] = seen[values if places else torch.searchsorted(classes.seen, values)]
        else:
            labels[split] = values
        words[split] = "places among the seen classes" if places else "class ids"
    labels["test_unseen"], words["test_unseen"], counted_on = _unseen_labels(classes, unseen, by_place)
    if not by_place:
        convention: Convention = "global"
    else:
        convention = "block" if order == "block" or counted_on else "seen"
    lines += [f"labels of {split}: {word}" for split, word in words.items() if len(labels[split])]
    if asked is not None and asked != convention and not classes.contiguous:
        lines.append(f"labels={asked!r} is taken to be about the batches: the arrays' own labels are {convention!r}")
    return Settled(semantics, labels, seen, unseen, convention, tuple(lines), order == "global")


def _training_labels_are_places(classes: Classes, asked: Convention | None) -> bool:
    """Return whether training labels are places among the seen classes instead of ids (false where both are the same)."""
    values = classes.labels["train"].unique()
    if classes.contiguous and bool(torch.isin(values, classes.seen).all()):
        if classes.given or asked in ("global", "block"):
            return False
        raise DataError(
            f"training labels are {shown(values)}, which may be class ids or places among the seen classes, and the data "
            "does not list its seen classes: give their ids as 'seen' in data, or labels='global' if a label is the "
            "row of the semantics table"
        )
    as_ids, as_places = (
        _exactly_or_partly(values, classes.seen),
        _exactly_or_partly(values, torch.arange(len(classes.seen))),
    )
    if as_ids == as_places:
        if as_ids and asked is not None:
            return asked != "global"
        raise DataError(
            f"training labels are {shown(values)}; the seen classes are {shown(classes.seen)}: the labels "
            + ("may be class ids or places among the seen classes" if as_ids else "are neither these ids nor places")
            + (": say which with labels='global', labels='seen' or labels='block'" if as_ids else " among them 0 … "
               f"{len(classes.seen) - 1}: give 'seen' in the numbers the labels have")
        )  # fmt: skip
    return as_places > as_ids


def _exactly_or_partly(values: Tensor, known: Tensor) -> int:
    """Return 2 where the values are the known numbers, 1 where they are some of them, 0 where others occur."""
    if torch.equal(values, known):
        return 2
    return int(bool(torch.isin(values, known).all()))


def _are_places(classes: Classes, split: str, like_training: bool) -> bool:
    values = classes.labels[split].unique()
    as_ids, as_places = (
        _exactly_or_partly(values, classes.seen),
        _exactly_or_partly(values, torch.arange(len(classes.seen))),
    )
    if not as_ids and not as_places:
        raise DataError(
            f"labels of {split} are {shown(values)}, neither the ids of seen classes ({shown(classes.seen)}) nor places "
            f"among them (0 … {len(classes.seen) - 1})"
        )
    return like_training if as_ids == as_places else as_places > as_ids


def _unseen_labels(classes: Classes, unseen: Tensor, by_place: bool) -> tuple[Tensor, str, bool]:
    """Return the class ids of ``test_unseen``, how they were counted, and whether that was on from the seen classes."""
    values = classes.labels["test_unseen"]
    if not len(values):
        return values, "", False
    present, num_seen, places = values.unique(), len(classes.seen), torch.arange(len(classes.unseen))
    readings = {
        "class ids": (classes.unseen, lambda: unseen[torch.searchsorted(classes.unseen, values)]),
        "places among the unseen classes": (places, lambda: unseen[values]),
        "places among all classes, seen first": (num_seen + places, lambda: unseen[values - num_seen]),
    }
    fit = {word: _exactly_or_partly(present, known) for word, (known, _) in readings.items()}
    best = max(fit.values())
    fitting = [word for word, value in fit.items() if value == best]
    if best == 1 and not by_place and "class ids" in fitting:
        fitting = ["class ids"]
    if best == 0 or (best == 1 and len(fitting) > 1):
        raise DataError(
            f"labels of test_unseen are {shown(present)}; the unseen classes are {shown(classes.unseen)}: the labels "
            + (f"may be {' or '.join(fitting)}" if best else "are neither their ids nor places among them")
            + ": give test_unseen_labels as class ids"
        )
    word = fitting[0]
    return readings[word][1](), word, word == "places among all classes, seen first"


def _table(
    tables: Tables, classes: Classes, by_place: bool, asked: Convention | None
) -> tuple[Order, Tensor, list[str]]:
    """Return the order of the table's rows, the table, and what there is to say of it."""
    num_seen, num_unseen = len(classes.seen), len(classes.unseen)
    if tables.full is None:
        return _joined(tables, classes, by_place)
    rows = len(tables.full)
    top = max(int(classes.seen.max()), int(classes.unseen.max()))
    can_be_block = rows == num_seen + num_unseen and (by_place or classes.contiguous)
    can_be_global = top < rows
    if can_be_global and (not by_place or _same_order(classes)):
        if not classes.contiguous and _witness(tables, classes, by_place) == "block":
            raise DataError(
                "training labels are class ids, but the rows of the semantics table are in another order (seen classes "
                "first): give a table in the order of the ids as semantics=..., or labels that are places in it"
            )
        return "global", tables.full, ["semantics: a row per class id"]
    if can_be_global != can_be_block:
        why = "the ids go beyond it" if can_be_block else "it has more rows than there are classes"
        order: Order = "block" if can_be_block else "global"
        return order, tables.full, [_said(order, why)]
    if not can_be_global:
        raise DataError(
            f"the table of semantics has {rows} rows, and class ids go up to {top} ({num_seen} seen, {num_unseen} unseen): "
            "give the script's table of all classes as semantics=..."
        )
    witness = _witness(tables, classes, by_place)
    if witness is not None:
        return witness, tables.full, [_said(witness, "compared with the script's table of the seen classes")]
    if asked is not None:
        order = "global" if asked == "seen" else "block"
        return order, tables.full, [_said(order, f"as labels={asked!r} says")]
    if tables.seen is not None and tables.unseen is not None:
        return _joined(tables, classes, by_place)
    raise DataError(
        f"training labels are places among the seen classes (0 … {num_seen - 1}), whose ids are {shown(classes.seen)}, and "
        f"nothing tells whether the {rows} rows of the semantics table are in the order of the ids or seen classes first: "
        "give labels='seen' if row i describes class id i, labels='block' if the seen classes' rows come first"
    )


def _said(order: Order, why: str) -> str:
    return f"semantics: {'a row per class id' if order == 'global' else 'rows of the seen classes first'} ({why})"


def _same_order(classes: Classes) -> bool:
    return is_range(torch.cat([classes.seen, classes.unseen]))


def _joined(tables: Tables, classes: Classes, by_place: bool) -> tuple[Order, Tensor, list[str]]:
    """Make one table of those of seen and unseen classes; by ids where the labels are ids."""
    if tables.seen is None or tables.unseen is None:
        raise DataError("the data has no table of semantics of all classes: give it as semantics=..., [C, k]")
    if len(tables.seen) != len(classes.seen) or len(tables.unseen) != len(classes.unseen):
        raise DataError(
            f"the tables of semantics have {len(tables.seen)} seen and {len(tables.unseen)} unseen rows, and there are "
            f"{len(classes.seen)} seen and {len(classes.unseen)} unseen classes: give one table as semantics=..., [C, k]"
        )
    joined = torch.cat([tables.seen, tables.unseen.to(tables.seen.dtype)])
    if by_place:
        return "block", joined, [_said("block", "made of the script's two tables")]
    ids = torch.cat([classes.seen, classes.unseen])
    if not is_range(ids.sort().values):
        raise DataError(
            f"training labels are class ids up to {int(ids.max())}, and the two tables of semantics have {len(ids)} rows: "
            "give a table with a row per class id as semantics=..."
        )
    table = torch.empty_like(joined)
    table[ids] = joined
    return "global", table, [_said("global", "made of the script's two tables")]


def _witness(tables: Tables, classes: Classes, by_place: bool) -> Order | None:
    """Compare the table with the script's semantics of the seen classes; ``None`` where that does not tell."""
    full = tables.full
    assert full is not None
    ids, places = classes.seen, torch.arange(len(classes.seen))
    candidates: list[tuple[Tensor | None, Tensor, Tensor]] = [(tables.seen, ids, places)]
    if tables.per_image is not None:
        labels = classes.labels["train"]
        own = labels if by_place else torch.searchsorted(ids, labels)
        candidates.append((tables.per_image, ids[own], own))
    for rows, by_id, by_block in candidates:
        if rows is None or rows.shape != (len(by_id), full.shape[1]):
            continue
        found = rows_of_table(rows.to(full), full)
        if not bool(found.clear.all()):
            continue
        if torch.equal(found.classes, by_id) and not torch.equal(by_id, by_block):
            return "global"
        if torch.equal(found.classes, by_block):
            return "block"
    return None
