"""How the labels of each split count: class ids, or places among the seen, the unseen or all classes."""

from __future__ import annotations

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.classes import GIVE_IDS, Classes, places_of, shown
from d3wrap.foreign.convention import Convention

IDS, AMONG_UNSEEN = "class ids", "places among the unseen classes"
AMONG_ALL = "places among all classes, seen first"
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
    return asked != "global" if as_ids == as_places else as_places > as_ids


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
    readings = {IDS: classes.unseen, AMONG_UNSEEN: places, AMONG_ALL: num_seen + places}
    # Readings of equal sets mean the same, unless the script lists classes out of order: as in training then.
    preferred = (AMONG_UNSEEN, AMONG_ALL, IDS) if by_place else (IDS, AMONG_UNSEEN, AMONG_ALL)
    fits = {word: fit(present, readings[word]) for word in preferred}
    best = max(fits.values())
    likely = [word for word in preferred if fits[word] == best]
    open_question = best == 1 and len(likely) > 1 and (by_place or likely[0] != IDS)
    if best == 0 or open_question:
        found = f"may be {' or '.join(likely)}" if best else "are neither these ids nor places among them"
        raise DataError(
            f"labels of test_unseen are {shown(present)}; the unseen classes are {shown(classes.unseen)}: the labels "
            f"{found}: give test_unseen_labels as class ids"
        )
    return places_of(values, readings[likely[0]]), likely[0], likely[0] == AMONG_ALL


def fit(values: Tensor, known: Tensor) -> int:
    """Return 2 where sorted ``values`` are the ``known`` numbers, in any order, 1 where they are some, 0 where not."""
    if torch.equal(values, known.sort().values):
        return 2
    return int(bool(torch.isin(values, known).all()))
