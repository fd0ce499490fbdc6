"""Find known rows again: which class has the row nearest to each given one, and is that clear."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import DataError

BLOCK = 4096
CLEAR = 0.5
"""A row is found where the nearest class is at most this part of the distance away at which the next class is."""
SAME = 1e-3
"""Distances below this part of the rows' own size count as 0: what rounding to half precision may do."""


class Nearest(NamedTuple):
    """Per row the class of the nearest known row, the next class, and whether the nearest is clear; each ``[n]``."""

    classes: Tensor
    others: Tensor
    clear: Tensor


def nearest_class(rows: Tensor, known: Tensor, labels: Tensor, num_classes: int) -> Nearest:
    """Find for each of ``rows [n, w]`` the class of the nearest row of ``known [m, w]`` with ``labels [m]``.

    In blocks, so that memory stays O(n · block). Everything is on the device of ``known``, distances are Euclidean.
    """
    centre = known.mean(0)  # or a common offset would eat the digits of the differences
    rows = rows.to(known) - centre
    size = rows.square().sum(1)
    best = rows.new_full((len(rows), num_classes), torch.inf)
    for part, classes in zip(known.split(BLOCK), labels.split(BLOCK), strict=True):
        part = part - centre
        squared = torch.addmm(part.square().sum(1), rows, part.T, alpha=-2)
        best.scatter_reduce_(1, classes.expand(len(rows), -1), squared, "amin")
    found = best.add_(size[:, None]).clamp_(min=0).topk(min(2, num_classes), largest=False)
    nearest, place = found.values.sqrt(), found.indices
    if num_classes == 1:
        return Nearest(place[:, 0], place[:, 0], torch.ones_like(place[:, 0], dtype=torch.bool))
    tolerance = SAME * size.sqrt()
    clear = (nearest[:, 0] <= CLEAR * nearest[:, 1]) & (nearest[:, 1] > tolerance)
    return Nearest(place[:, 0], place[:, 1], clear)


def recover_labels(semantics_rows: Tensor, dataset: GZSLDataset) -> Tensor:
    """Return the class ids whose rows of the semantics table are nearest to ``semantics_rows [n, k]``: ``[n]`` int64.

    For scripts that have no labels at hand. The rows may be perturbed a little, or normalised to length 1 where the
    table is not (or the other way round). Raises :class:`~d3wrap.errors.DataError` for another width, and where two
    classes are about as near, so that the label cannot be known.
    """
    if semantics_rows.ndim != 2 or semantics_rows.shape[1] != dataset.semantic_dim:
        raise DataError(
            f"semantics have shape {tuple(semantics_rows.shape)}, expected [n, {dataset.semantic_dim}] as the table "
            f"has: give labels instead, or the table the script uses with semantics=..."
        )
    rows = semantics_rows.detach().to(dataset.semantics)
    found = rows_of_table(rows, dataset.semantics)
    if bool(found.clear.all()):
        return found.classes
    first = int((~found.clear).nonzero()[0])
    one, other = (dataset.class_names[int(ids[first])] for ids in (found.classes, found.others))
    raise DataError(
        f"{int((~found.clear).sum())} of {len(rows)} rows of semantics are not clearly one class's: "
        f"row {first} is about as near to {one!r} as to {other!r}. Give the labels: on_batch(features, labels), or the "
        "table the script uses with semantics=..."
    )


def rows_of_table(rows: Tensor, table: Tensor) -> Nearest:
    """Find ``rows [n, k]`` in ``table [C, k]`` as they are and, where that is not clear, by their direction."""
    ids = torch.arange(len(table), device=table.device)
    found = nearest_class(rows, table, ids, len(table))
    if bool(found.clear.all()):
        return found
    unit = nearest_class(F.normalize(rows), F.normalize(table), ids, len(table))
    return unit if int(unit.clear.sum()) > int(found.clear.sum()) else found
