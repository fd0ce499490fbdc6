"""A picture of how well semantics tell classes apart: cosines between classes, and the nearest of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.cluster.hierarchy
import scipy.spatial.distance
from numpy.typing import NDArray

from d3wrap.data.class_matching import spoken
from d3wrap.errors import DataError, MissingExtraError
from d3wrap.files import atomic_path
from d3wrap.semantics.diagnosis import Agreement, Diagnosis
from d3wrap.semantics.view import closest_first

MARGIN, TITLE, GAP = 0.25, 0.62, 0.95
"""Inches around the page, above a panel, and between panels."""
ROW, SMALLEST, LARGEST = 0.1, 4.6, 9.0
"""Inches of a class in the matrix of cosines, and how small and large that may be."""
NAMES = 120
"""Classes beyond which names would not be legible."""
LINE, LETTER = 0.19, 0.07
"""Inches of a line of the table of neighbours, and of one of its letters."""
LISTED, SHOWN = 24, 3
"""Classes in the table, and neighbours of each."""
LONGEST = 24
"""Letters of a name in the table."""
BOTH = "#b5460f"


def draw(
    path: str | os.PathLike[str],
    found: Diagnosis,
    other: Diagnosis | None = None,
    agreed: Agreement | None = None,
) -> Path:
    """Draw semantics as a PNG: the cosines between all classes, their distribution, and the closest classes.

    With ``other`` semantics of the same classes both matrices are drawn, classes in the one order in which ``found``
    puts similar ones together (average linkage), and the cosines of one over those of the other. Raises ``DataError``
    for a name that does not end in ``.png``, ``MissingExtraError`` without matplotlib.
    """
    if os.fspath(path)[-4:].lower() != ".png":
        raise DataError(f"{os.fspath(path)}: the picture is a PNG; end its name in .png")
    try:
        # Figure alone: pyplot would choose a backend and keep global state.
        from matplotlib import colormaps
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "drawing pictures") from error
    page = _Page(Figure, colormaps["Blues"].with_extremes(bad="0.55"), found, other)
    order = similar_together(found.cosines.numpy())
    page.matrix(found, order, 0)
    if other is not None and agreed is not None:
        page.matrix(other, order, 1)
        page.against(found, other, agreed)
    else:
        page.distribution(found)
    page.neighbours(found, other, agreed)
    with atomic_path(path) as temporary:
        page.figure.savefig(temporary, format="png", dpi=130, facecolor="white")
    return Path(path)


def similar_together(cosines: NDArray[np.float64]) -> list[int]:
    """Return an order of the classes in which similar ones are neighbours: leaves of average linkage, put optimally."""
    distances = np.clip(1 - cosines, 0, None)
    np.fill_diagonal(distances, 0)
    condensed = scipy.spatial.distance.squareform(distances, checks=False)
    # The best order of the leaves takes cubic time.
    tree = scipy.cluster.hierarchy.linkage(condensed, "average", optimal_ordering=len(cosines) <= 300)
    return [int(leaf) for leaf in scipy.cluster.hierarchy.leaves_list(tree)]


class _Page:
    """A figure laid out in inches from its top left corner."""

    def __init__(self, figure: type[Any], colours: Any, found: Diagnosis, other: Diagnosis | None) -> None:
        self.colours = colours
        count = len(found.names)
        self.lines, self.near = min(count, LISTED), min(SHOWN, len(found.neighbours[0]))
        self.column = LETTER * (max(len(_short(name)) for name in found.names) + 6)
        across = self.column * (1 + self.near * (1 if other is None else 2))
        table = TITLE + LINE * (self.lines + 2)
        size = min(max(table - TITLE, 2.6), 4.6)
        longest = max(len(spoken(name)) for name in found.names) if count <= NAMES else 0
        # One matrix is drawn as high as what is beside it, two as wide as what is below them.
        fitting = 3.2 + table - TITLE if other is None else (size + across - GAP) / 2
        self.side = min(max(ROW * count, fitting, SMALLEST), LARGEST)
        self.letters = min(8.0, 0.8 * 72 * self.side / count)
        self.left = 2 * MARGIN + longest * LETTER * self.letters / 8
        beside = self.left + self.side + GAP
        if other is None:
            across = max(across, 4.5)
            self.plot = (beside + 0.2, TITLE, across - 0.6, 2.2)
            self.table = (beside, TITLE + 2.2 + 1.0)
            width, height = beside + across, max(TITLE + self.side, self.table[1] + table) + MARGIN
        else:
            top = TITLE + self.side + 0.6
            self.plot = (self.left, top + TITLE, size, size)
            self.table = (self.left + size + GAP, top)
            width = max(beside + self.side + GAP, self.table[0] + across)
            height = top + max(table, size + TITLE + 0.5) + MARGIN
        self.width, self.height = width + MARGIN, height
        self.figure = figure(figsize=(self.width, self.height))

    def _axes(self, left: float, top: float, width: float, height: float) -> Any:
        return self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        )

    def _text(self, left: float, top: float, text: str, **style: Any) -> None:
        self.figure.text(left / self.width, 1 - top / self.height, text, **{"va": "top", "fontsize": 8, **style})

    def _heading(self, left: float, top: float, text: str, more: str) -> None:
        self._text(left, top, text, fontsize=11, fontweight="bold")
        self._text(left, top + 0.22, more, fontsize=8.5, color="0.35")

    def matrix(self, found: Diagnosis, order: Sequence[int], place: int) -> None:
        left = self.left + place * (self.side + GAP)
        axes = self._axes(left, TITLE, self.side, self.side)
        values = found.cosines.numpy()[np.ix_(order, order)].copy()
        np.fill_diagonal(values, np.nan)
        low, high = np.nanpercentile(values, (0.5, 99.5))
        image = axes.imshow(values, cmap=self.colours, vmin=low, vmax=high, interpolation="nearest")
        named = len(order) <= NAMES and place == 0
        axes.set(xticks=[], yticks=range(len(order)) if named else [])
        if named:
            axes.set_yticklabels([spoken(found.names[one]) for one in order], fontsize=self.letters)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = self.figure.colorbar(image, cax=self._axes(left + self.side + 0.08, TITLE, 0.11, self.side / 3))
        bar.ax.tick_params(labelsize=7, length=2)
        bar.outline.set_visible(False)
        self._heading(
            left,
            0.12,
            found.label,
            f"cosines: mean {found.mean:.2f} ± {found.sd:.2f}; effective rank {found.effective_rank:.1f} of "
            f"{min(found.width, len(order) - 1)}",
        )

    def distribution(self, found: Diagnosis) -> None:
        left, top, width, height = self.plot
        axes = self._axes(left, top, width, height)
        pairs = found.cosines.numpy()[np.triu_indices(len(found.names), 1)]
        axes.hist(pairs, bins=min(60, max(8, len(pairs) // 4)), color="#6b9dc9")
        axes.axvline(found.mean, color="0.2", linewidth=1)
        axes.set_xlabel("cosine between two classes; line: mean", fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right", "left"]].set_visible(False)
        self._heading(
            self.table[0], 0.12, "All pairs of classes", f"{len(pairs):,} pair{'' if len(pairs) == 1 else 's'}"
        )

    def against(self, found: Diagnosis, other: Diagnosis, agreed: Agreement) -> None:
        left, top, width, height = self.plot
        axes = self._axes(left, top, width, height)
        above = np.triu_indices(len(found.names), 1)
        ours, theirs = found.cosines.numpy()[above], other.cosines.numpy()[above]
        many = len(ours) > 2000
        axes.scatter(ours, theirs, s=4 if many else 14, alpha=0.25 if many else 0.6, color="#2f6ca3", linewidths=0)
        axes.set_xlabel(f"cosine in {found.label}", fontsize=8)
        axes.set_ylabel(f"cosine in {other.label}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        self._heading(
            left, self.table[1], "Do they agree?", f"all pairs of classes; Spearman's ρ {agreed.spearman:.2f}"
        )

    def neighbours(self, found: Diagnosis, other: Diagnosis | None, agreed: Agreement | None) -> None:
        left, top = self.table
        k = len(found.neighbours[0])
        more = "those with the nearest others, nearest first, and cosines"
        if agreed is not None:
            more += f"; of the {k} nearest {k * agreed.overlap:.2f} are the same ({k * agreed.chance:.2f} by chance)"
        self._heading(left, top, "Closest classes", more)
        ranked = closest_first(found)[: self.lines]
        for number, one in enumerate([found] if other is None else [found, other]):
            x = left + self.column * (1 + number * self.near)
            self._text(x, top + TITLE, f"in {one.label}", color="0.35")
            for line, place in enumerate(ranked, 1):
                shared = agreed.shared[place] if agreed is not None else frozenset()
                for column, near in enumerate(one.neighbours[place][: self.near]):
                    text = f"{_short(found.names[near.place])} {near.cosine:.2f}"
                    style = {"color": BOTH, "fontweight": "bold"} if near.place in shared else {"color": "0.15"}
                    self._text(x + column * self.column, top + TITLE + LINE * line, text, **style)
        if agreed is not None:
            self._text(left, top + TITLE, f"in both {k}", color=BOTH, fontweight="bold")
        for line, place in enumerate(ranked, 1):
            self._text(left, top + TITLE + LINE * line, _short(found.names[place]), fontweight="bold")


def _short(name: str) -> str:
    name = spoken(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
