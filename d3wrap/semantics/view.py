"""Diagnoses of class semantics for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from d3wrap.semantics.diagnosis import Agreement, Diagnosis


def as_json(found: Diagnosis, other: Diagnosis | None = None, agreed: Agreement | None = None) -> dict[str, Any]:
    """Return everything as plain values that JSON can hold; classes by name."""
    said = _plain(found)
    if other is not None and agreed is not None:
        said["against"] = _plain(other)
        said["agreement"] = {
            "spearman": None if math.isnan(agreed.spearman) else agreed.spearman,
            "neighbour_overlap": agreed.overlap,
            "neighbour_overlap_by_chance": agreed.chance,
            "shared_neighbours": {
                name: [found.names[place] for place in sorted(shared)]
                for name, shared in zip(found.names, agreed.shared, strict=True)
            },
        }
    return said


def _plain(found: Diagnosis) -> dict[str, Any]:
    return {
        "semantics": found.label,
        "classes": len(found.names),
        "width": found.width,
        "cosine": {"mean": found.mean, "sd": found.sd, "min": found.lowest, "max": found.highest},
        "effective_rank": found.effective_rank,
        "neighbours": {
            name: [{"class": found.names[near.place], "cosine": near.cosine} for near in some]
            for name, some in zip(found.names, found.neighbours, strict=True)
        },
    }


def print_diagnosis(found: Diagnosis, limit: int) -> None:
    """Print the numbers, and the nearest others of the ``limit`` classes that have the nearest ones (0: of all)."""
    console = Console()
    console.print(Text(f"{found.label}: {len(found.names)} classes × {found.width}"))
    console.print(
        Text(
            f"cosine between classes: mean {found.mean:.3f}, sd {found.sd:.3f}, from {found.lowest:.3f} to "
            f"{found.highest:.3f}\neffective rank {found.effective_rank:.1f} of at most "
            f"{min(len(found.names) - 1, found.width)}"
        )
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class")
    table.add_column("nearest, with cosines")
    ranked = closest_first(found)
    for place in ranked[: limit or None]:
        near = ", ".join(f"{found.names[one.place]} {one.cosine:.2f}" for one in found.neighbours[place])
        table.add_row(Text(found.names[place]), Text(near))
    console.print(table)
    if limit and len(ranked) > limit:
        console.print(f"and {len(ranked) - limit} classes with nearest ones further away; --classes 0 lists all")


def closest_first(found: Diagnosis) -> list[int]:
    """Return the classes in the order of the cosine of their nearest other, closest first."""
    return sorted(range(len(found.names)), key=lambda place: -found.neighbours[place][0].cosine)


def print_agreement(other: Diagnosis, agreed: Agreement) -> None:
    """Print the other semantics' numbers, and how far both agree."""
    k = len(other.neighbours[0])
    Console().print(
        Text(
            f"against {other.label}: mean cosine {other.mean:.3f}, sd {other.sd:.3f}, effective rank "
            f"{other.effective_rank:.1f}\nSpearman's ρ of the cosines of all pairs {agreed.spearman:.3f}; of the {k} "
            f"nearest classes {k * agreed.overlap:.2f} are the same on average ({k * agreed.chance:.2f} by chance)"
        )
    )
