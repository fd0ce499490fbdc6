"""Tell what the arguments of a foreign call are: rows of the semantics table, noise, or something else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Role = Literal["semantics", "noise", "noise|semantics", "semantics|noise", "constant", "other"]
Noise = Literal["normal", "uniform"]

NEAR = 0.5
"""A tensor holds rows of the table where its rows lie this much nearer to one than two classes lie apart."""
ROWS = 64
"""Rows of a tensor, and of the table, that are looked at."""


@dataclass(frozen=True)
class Argument:
    """One argument of a call: its place (or keyword), what it is, and what is needed to give another like it.

    ``shape`` is that of one row, ``distance`` how far rows are from the nearest of the table, in units of the distance
    between classes, and ``noise`` the distribution that they look drawn from.
    """

    where: int | str
    role: Role
    value: object = None
    shape: tuple[int, ...] = ()
    distance: float = math.inf
    noise: Noise | None = None
    text: str = ""


def arguments_of(args: tuple[object, ...], kwargs: Mapping[str, object], table: Tensor) -> tuple[Argument, ...]:
    """Return what each argument of a call is, given the semantics ``table [C, k]``."""
    spread = _spread(table)
    each: list[tuple[int | str, object]] = [*enumerate(args), *kwargs.items()]
    found = [_argument(where, value, table, spread) for where, value in each]
    nearest = min((a.distance for a in found if a.role == "semantics"), default=0.0)
    # Noise in few dimensions may come near a row by chance, but the rows themselves come nearer.
    return tuple(
        _argument(where, value, table, spread, matching=False)
        if a.role == "semantics" and a.distance > nearest + 0.1
        else a
        for a, (where, value) in zip(found, each, strict=True)
    )


def noise_like(values: Tensor) -> Noise | None:
    """Return the distribution that ``values`` look drawn from, N(0, 1) or U(0, 1); ``None`` for another."""
    count = values.numel()
    if count < 8:
        return None
    mean, std, low, high = (
        float(v) for v in torch.stack([values.mean(), values.std(), values.min(), values.max()]).double()
    )
    allowed = 0.02 + 5 / math.sqrt(count)
    if abs(mean) < allowed and abs(std - 1) < allowed and low < 0:
        return "normal"
    if low >= 0 and high <= 1 and abs(mean - 0.5) < allowed * 0.3 and abs(std - 0.2887) < allowed * 0.3:
        return "uniform"
    return None


def _argument(where: int | str, value: object, table: Tensor, spread: float, matching: bool = True) -> Argument:
    if not isinstance(value, Tensor):
        plain = value is None or isinstance(value, bool | int | float | str)
        return Argument(where, "constant" if plain else "other", value, text=_named(where, _shown(value)))
    text = f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if not value.is_floating_point() or value.ndim < 2 or not len(value):
        return Argument(where, "other", text=_named(where, text))
    rows = value.detach()[:ROWS].flatten(1).to(table)
    width, k = rows.shape[1], table.shape[1]
    parts: dict[Role, tuple[Tensor, Tensor | None]] = {}
    if width == k and matching:
        parts = {"semantics": (rows, None)}
    elif width > k:
        parts = {
            "noise|semantics": (rows[:, -k:], rows[:, :-k]),
            "semantics|noise": (rows[:, :k], rows[:, k:]),
        }
    role: Role = "other"
    distance, rest = math.inf, rows
    for candidate, (part, other) in parts.items():
        far = float(torch.cdist(part, table).min(1).values.median()) / spread
        if far < NEAR and far < distance:
            role, distance, rest = candidate, far, rows if other is None else other
    noise = None if role == "semantics" else noise_like(rest)
    if role == "semantics":
        text += " of the semantics table" if distance < 1e-3 else f" near the semantics table (distance {distance:.2g})"
    elif role != "other":
        text += f": {role.replace('|', ' and ')} side by side"
    else:
        role = "noise" if noise else "other"
        mean, std = float(rest.mean()), float(rest.std())
        text += f", mean {mean:.2g}, standard deviation {std:.2g}"
    return Argument(where, role, None, tuple(value.shape[1:]), distance, noise, _named(where, text))


def _spread(table: Tensor) -> float:
    """Return the median distance between two classes."""
    rows = table[:ROWS]
    if len(rows) < 2:
        return 1.0
    return max(float(torch.nn.functional.pdist(rows).median()), 1e-12)


def _named(where: int | str, text: str) -> str:
    return f"{where}={text}" if isinstance(where, str) else text


def _shown(value: object) -> str:
    plain = value is None or isinstance(value, bool | int | float | str)
    return repr(value)[:40] if plain else f"a {type(value).__name__}"
