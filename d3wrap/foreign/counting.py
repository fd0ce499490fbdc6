"""How the labels of each split count: class ids, or places among the seen, the unseen or all classes."""

from __future__ import annotations

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.classes import GIVE_IDS, Classes, shown
from d3wrap.foreign.convention import Convention

SAY = "say which with labels='global', labels='seen' or labels='block'"


def training_labels_are_places(classes: Classes, asked: Convention | None) -> bool:
    """Return whether training labels are places among the seen classes, false where ids and places are the same.

    ``asked`` settles what the arrays leave open. Raises :class:`~d3wrap.errors.DataError` where it stays open, and
    where the labels are neither.
    """
    values = classes.labels["train"].unique()
    ids, places = classes.seen, torch.arange(len(classes.seen))
    if classes.contiguous and fit(values, ids):
        if classes.given or asked in ("global", "block"):
            return False
        raise DataError(
            f"training labels are {shown(values)}: class ids, or places among the seen classes? The data does not list "
            f"its seen classes: {GIVE_IDS}, or labels='global' if a label is the row of the semantics table"
        )
    as_ids, as_places = fit(values, ids), fit(values, places)
    if not as_ids and not as_places:
        raise DataError(
            f"training labels are {shown(values)}; the seen classes are {shown(ids)}: the labels are neither these ids "
            f"nor places among them, {shown(places)}. {GIVE_IDS.capitalize()}, in the numbers the labels have"
        )
    if as_ids == as_places and asked is None:
        raise DataError(
            f"training labels are {shown(values)}; the seen classes are {shown(ids)}: the labels may be these ids or "
            f"places among them: {SAY}"
        )
    by_place = asked != "global" if as_ids == as_places else as_places > as_ids
    if by_place and not classes.in_order:
        raise DataError(
            "training labels are places among the seen classes, whose ids the data does not list in ascending order: "
            f"{GIVE_IDS} in ascending order, and labels to match, or labels that are class ids"
        )
    return by_place


def test_seen_labels_are_places(classes: Classes, like_training: bool) -> bool:
    """Return the same for ``test_seen``; where both are possible it is as in training."""
    values = classes.labels["test_seen"].unique()
    places = torch.arange(len(classes.seen))
    as_ids, as_places = fit(values, classes.seen), fit(values, places)
    if not as_ids and not as_places:
        raise DataError(
            f"labels of test_seen are {shown(values)}, neither ids of seen classes ({shown(classes.seen)}) nor places "
            f"among them ({shown(places)}): give test_seen_labels as class ids"
        )
    return like_training if as_ids == as_places else as_places > as_ids


def unseen_places(classes: Classes, by_place: bool) -> tuple[Tensor, str, bool]:
    """Return the places of ``test_unseen`` labels among the unseen classes, what the labels are, and whether they count
    on from the seen classes.

    ``by_place``: whether training labels are places. Raises :class:`~d3wrap.errors.DataError` where it cannot be known.
    """
    values = classes.labels["test_unseen"]
    if not len(values):
        return values, "", False
    present, num_seen = values.unique(), len(classes.seen)
    places = torch.arange(len(classes.unseen))
    # equal sets of numbers mean the same classes, so the order of these matters for nothing but the words
    readings = {
        "class ids": classes.unseen,
        "places among the unseen classes": places,
        "places among all classes, seen first": num_seen + places,
    }
    fits = {word: fit(present, known) for word, known in readings.items()}
    best = max(fits.values())
    likely = [word for word, value in fits.items() if value == best]
    if best == 1 and not by_place and "class ids" in likely:
        likely = ["class ids"]
    if best == 0 or (best == 1 and len(likely) > 1):
        found = f"may be {' or '.join(likely)}" if best else "are neither these ids nor places among them"
        raise DataError(
            f"labels of test_unseen are {shown(present)}; the unseen classes are {shown(classes.unseen)}: the labels "
            f"{found}: give test_unseen_labels as class ids"
        )
    among_unseen = "places among the unseen classes"
    word = among_unseen if by_place and among_unseen in likely else likely[0]
    return torch.searchsorted(readings[word], values), word, word == "places among all classes, seen first"


def fit(values: Tensor, known: Tensor) -> int:
    """Return 2 where sorted ``values`` are the ``known`` numbers, 1 where they are some of them, 0 for any others."""
    if torch.equal(values, known):
        return 2
    return int(bool(torch.isin(values, known).all()))
