"""How well class semantics tell classes apart, and how far two of them agree, in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from d3wrap.errors import DataError


class Neighbour(NamedTuple):
    """Another class, and its cosine to the class it is a neighbour of."""

    place: int
    cosine: float


@dataclass(frozen=True)
class Diagnosis:
    """What there is to say of one matrix of class semantics."""

    label: str
    """Which semantics these are, in a few words."""
    names: tuple[str, ...]
    width: int
    cosines: Tensor
    """``[C, C]`` float64; a class of which nothing is known (a row of zeros) has cosine 0 to all others."""
    mean: float
    """Mean cosine over pairs of different classes, and below the standard deviation, least and greatest of them."""
    sd: float
    lowest: float
    highest: float
    effective_rank: float
    """exp of the entropy of p_i = σ_i / Σσ, σ the singular values of the rows, of norm 1, less their mean; from 1 to
    min(C − 1, k). Roy and Vetterli, *The Effective Rank*, EUSIPCO 2007. 0 where all classes are alike."""
    neighbours: tuple[tuple[Neighbour, ...], ...]
    """For each class its nearest others, nearest first; of equally near ones the first comes first."""


@dataclass(frozen=True)
class Agreement:
    """How alike two matrices of semantics of the same classes are."""

    spearman: float
    """Spearman's ρ of the cosines of all pairs of classes, from −1 to 1; NaN where one has all cosines alike."""
    overlap: float
    """Mean share of a class's k nearest others that are the same."""
    chance: float
    """What :attr:`overlap` is on average for neighbours drawn at random, k / (C − 1)."""
    shared: tuple[frozenset[int], ...]
    """For each class the neighbours that both give it."""


def cosines_of(matrix: Tensor) -> Tensor:
    """Return the cosines between rows ``[C, C]`` in float64, exactly symmetric; 0 with a row of zeros."""
    rows = matrix.detach().to("cpu", torch.float64)
    norms = rows.norm(dim=1, keepdim=True)
    unit = rows / norms.where(norms > 0, 1)
    product = (unit @ unit.T).clamp(-1, 1)
    return (product + product.T) / 2


def diagnose(matrix: Tensor, names: tuple[str, ...], neighbours: int = 5, label: str = "semantics") -> Diagnosis:
    """Return what there is to say of semantics ``[C, k]``; raises ``DataError`` for fewer than two classes."""
    if len(matrix) < 2:
        raise DataError(f"{len(matrix)} class: at least two are needed to say how well they are told apart")
    cosines = cosines_of(matrix)
    pairs = cosines[_above(len(cosines))]
    return Diagnosis(
        label=label,
        names=names,
        width=matrix.shape[1],
        cosines=cosines,
        mean=float(pairs.mean()),
        sd=float(pairs.std(correction=0)),
        lowest=float(pairs.min()),
        highest=float(pairs.max()),
        effective_rank=_effective_rank(matrix),
        neighbours=nearest(cosines, neighbours),
    )


def agreement(one: Diagnosis, other: Diagnosis) -> Agreement:
    """Compare two diagnoses of the same classes in the same order, with as many neighbours each."""
    above = _above(len(one.names))
    first, second = (found.cosines[above].numpy() for found in (one, other))
    # With one pair, or all alike, there is no rank to compare.
    varied = np.ptp(first) > 0 and np.ptp(second) > 0
    shared = tuple(
        frozenset(near.place for near in ours) & frozenset(near.place for near in theirs)
        for ours, theirs in zip(one.neighbours, other.neighbours, strict=True)
    )
    k = len(one.neighbours[0])
    return Agreement(
        spearman=float(scipy.stats.spearmanr(first, second).statistic) if varied else math.nan,
        overlap=sum(map(len, shared)) / (k * len(shared)),
        chance=k / (len(shared) - 1),
        shared=shared,
    )


def nearest(cosines: Tensor, k: int) -> tuple[tuple[Neighbour, ...], ...]:
    """Return each class's k nearest others (all of them where there are fewer)."""
    others = cosines.clone().fill_diagonal_(-math.inf)
    ranked = others.sort(dim=1, descending=True, stable=True)
    k = min(k, len(cosines) - 1)
    values, places = ranked.values[:, :k].tolist(), ranked.indices[:, :k].tolist()
    return tuple(tuple(map(Neighbour, row, near)) for row, near in zip(places, values, strict=True))


def _above(count: int) -> tuple[Tensor, Tensor]:
    """Return the places of all pairs of different classes, each once."""
    rows, columns = torch.triu_indices(count, count, offset=1)
    return rows, columns


def _effective_rank(matrix: Tensor) -> float:
    rows = torch.nn.functional.normalize(matrix.detach().to("cpu", torch.float64), dim=1)
    values = torch.linalg.svdvals(rows - rows.mean(0))
    shares = values[values > 1e-9 * len(rows)]
    if not len(shares):
        return 0.0
    shares = shares / shares.sum()
    return float((-(shares * shares.log()).sum()).exp())
