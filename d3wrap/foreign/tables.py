"""Which class each row of a script's semantics describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from d3wrap.errors import DataError
from d3wrap.foreign.classes import Classes, is_range, places_of, shown
from d3wrap.foreign.convention import Convention
from d3wrap.foreign.nearest import rows_of_table

Order = Literal["global", "block"]
"""The order of a table's rows: by the script's class ids, or the seen classes first and then the unseen ones."""


@dataclass(frozen=True)
class Tables:
    """The semantics a script holds: of all classes, of the seen ones, of the unseen ones, of each training image."""

    full: Tensor | None
    seen: Tensor | None
    unseen: Tensor | None
    per_image: Tensor | None = None

    @property
    def sizes(self) -> tuple[int, int] | None:
        """Numbers of rows of the two separate tables, ``None`` where one is missing."""
        return None if self.seen is None or self.unseen is None else (len(self.seen), len(self.unseen))


def ordered_table(
    tables: Tables, classes: Classes, by_place: bool, asked: Convention | None
) -> tuple[Order, Tensor, str]:
    """Return the order of the table's rows, the table, and how that is known.

    ``by_place``: whether training labels are places among the seen classes; ``asked``: what the user says of them.
    Raises :class:`~d3wrap.errors.DataError` where rows and classes do not fit, or the order cannot be known.
    """
    if tables.full is None:
        return _joined(tables, classes, by_place)
    rows, num_classes = len(tables.full), len(classes.seen) + len(classes.unseen)
    top = max(int(classes.seen.max()), int(classes.unseen.max()))
    can_be_global = top < rows
    can_be_block = rows == num_classes and (by_place or classes.contiguous)
    if can_be_global and (not by_place or is_range(torch.cat([classes.seen, classes.unseen]))):
        if not classes.contiguous and _compared(tables.full, tables, classes, by_place) == "block":
            raise DataError(
                "training labels are class ids, but the rows of the semantics table are in another order (seen classes "
                "first): give a table in the order of the ids as semantics=..., or labels that are places in it"
            )
        return "global", tables.full, _said("global")
    if can_be_global != can_be_block:
        why = "the ids go beyond it" if can_be_block else "it has more rows than there are classes"
        order: Order = "block" if can_be_block else "global"
        return order, tables.full, _said(order, why)
    if not can_be_global:
        raise DataError(
            f"the table of semantics has {rows} rows, and class ids go up to {top} ({len(classes.seen)} seen, "
            f"{len(classes.unseen)} unseen): give the script's table of all classes as semantics=..."
        )
    two_tables = tables.sizes == (len(classes.seen), len(classes.unseen))
    if two_tables and not classes.in_order:  # places are rows of these tables, whatever the order of the ids
        return _joined(tables, classes, by_place)
    compared = _compared(tables.full, tables, classes, by_place)
    if compared is not None:
        return compared, tables.full, _said(compared, "compared with the script's semantics of the seen classes")
    if asked is not None:
        order = "global" if asked == "seen" else "block"
        return order, tables.full, _said(order, f"as labels={asked!r} says")
    if two_tables:
        return _joined(tables, classes, by_place)
    raise DataError(
        f"training labels are places among the seen classes ({shown(torch.arange(len(classes.seen)))}), whose ids are "
        f"{shown(classes.seen)}, and nothing tells whether the {rows} rows of the semantics table are in the order of "
        "the ids or seen classes first: give labels='seen' if row i describes class id i, labels='block' if the rows "
        "of the seen classes come first"
    )


def _said(order: Order, why: str = "") -> str:
    rows = "a row per class id" if order == "global" else "the rows of the seen classes first"
    return f"semantics: {rows}{f' ({why})' if why else ''}"


def _joined(tables: Tables, classes: Classes, by_place: bool) -> tuple[Order, Tensor, str]:
    """Make one table of those of seen and unseen classes; by ids where the labels are ids."""
    if tables.seen is None or tables.unseen is None:
        raise DataError("the data has no table of semantics of all classes: give it as semantics=..., [C, k]")
    counts = (len(classes.seen), len(classes.unseen))
    if tables.sizes != counts or tables.seen.shape[1] != tables.unseen.shape[1]:
        raise DataError(
            f"the tables of semantics are {list(tables.seen.shape)} (seen) and {list(tables.unseen.shape)} (unseen), "
            f"and there are {counts[0]} seen and {counts[1]} unseen classes: give one table as semantics=..., [C, k]"
        )
    joined = torch.cat([tables.seen, tables.unseen])
    why = "made of the script's two tables"
    if by_place:
        return "block", joined, _said("block", why)
    ids = torch.cat([classes.seen, classes.unseen])
    if not is_range(ids.sort().values):
        raise DataError(
            f"training labels are class ids up to {int(ids.max())}, and the two tables of semantics have {len(ids)} "
            "rows: give a table with a row per class id as semantics=..."
        )
    table = torch.empty_like(joined)
    table[ids] = joined
    return "global", table, _said("global", why)


def _compared(full: Tensor, tables: Tables, classes: Classes, by_place: bool) -> Order | None:
    """Compare the table with the script's semantics of the seen classes; ``None`` where that does not tell."""
    ids, labels = classes.seen, classes.labels["train"]
    places = labels if by_place else places_of(labels, ids)
    for rows, own in ((tables.seen, torch.arange(len(ids))), (tables.per_image, places)):
        if rows is None or rows.shape != (len(own), full.shape[1]):
            continue
        found = rows_of_table(rows.to(full), full)
        by_id, by_block = (bool((found.classes == one).all()) for one in (ids[own], own))
        if bool(found.clear.all()) and by_id != by_block:
            return "global" if by_id else "block"
    return None
