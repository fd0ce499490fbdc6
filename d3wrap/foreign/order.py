"""Bring labels and semantics together: which row of the table each label means."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.classes import GIVE_IDS, Classes, places_of
from d3wrap.foreign.convention import Convention
from d3wrap.foreign.counting import test_seen_labels_are_places, training_labels_are_places, unseen_places
from d3wrap.foreign.tables import Order, Tables, ordered_table


@dataclass(frozen=True)
class Settled:
    """The table, each split's labels as rows of it, and how the script's own training labels count."""

    semantics: Tensor
    labels: dict[str, Tensor]
    seen: Tensor
    unseen: Tensor
    convention: Convention
    lines: tuple[str, ...]
    order: Order


def settle(tables: Tables, classes: Classes, asked: Convention | None) -> Settled:
    """Find out how each split's labels count and in which order the table is, and number classes by its rows.

    ``asked`` is what the user says of the training labels; it settles what the arrays leave open. Raises
    :class:`~d3wrap.errors.DataError` where that is not enough, saying what was seen and what to give.
    """
    by_place = training_labels_are_places(classes, asked)
    order, semantics, how = ordered_table(tables, classes, by_place, asked)
    if by_place and order == "global" and not classes.in_order:
        # a batch's places could not be told from places in ascending order
        raise DataError(
            "training labels are places among the seen classes, whose ids the data does not list in ascending order: "
            f"{GIVE_IDS} in ascending order, and labels to match, or labels that are class ids"
        )
    seen, unseen = classes.seen, classes.unseen
    if order == "block":
        seen, unseen = torch.arange(len(seen)), len(seen) + torch.arange(len(unseen))
    test_by_place = test_seen_labels_are_places(classes, by_place)
    places, unseen_word, counted_on = unseen_places(classes, by_place)
    labels = {
        name: seen[values if is_place else places_of(values, classes.seen)]
        for name, values, is_place in (
            ("train", classes.labels["train"], by_place),
            ("test_seen", classes.labels["test_seen"], test_by_place),
        )
    }
    labels["test_unseen"] = unseen[places]
    convention: Convention = "global"
    if by_place:
        convention = "block" if order == "block" or counted_on else "seen"
    words = {
        "train": "places among the seen classes" if by_place else "class ids",
        "test_seen": "places among the seen classes" if test_by_place else "class ids",
        "test_unseen": unseen_word,
    }
    lines = [how, *(f"labels of {split}: {word}" for split, word in words.items() if len(labels[split]))]
    if asked is not None and (asked == "global") != (convention == "global") and not classes.contiguous:
        lines.append(f"labels={asked!r} is about the batches: the labels in the data are {convention!r}")
    return Settled(semantics, labels, seen, unseen, convention, tuple(lines), order)
