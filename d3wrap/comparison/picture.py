"""Pictures of generated features, for datasets whose features are pictures themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.errors import DataError, MissingExtraError, ShapeError
from d3wrap.files import atomic_path

TILE = 0.42
"""Inches a picture takes."""
MARGIN, TOP, BAND_TITLE, GAP = 0.2, 0.55, 0.3, 0.12
"""Inches around the sheet, above the first band, above a band's first line, and below its last."""
LETTER, TITLE_LETTER = 0.085, 0.12
"""Inches a letter takes at most on average, so that names and title always fit."""


def digit_sheet(
    path: str | os.PathLike[str],
    rows: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    *,
    classes: Sequence[int],
    class_names: Sequence[str],
    image_shape: tuple[int, int],
    columns: int = 12,
    title: str = "",
) -> Path:
    """Draw a band for each of ``classes``: one line of pictures per entry of ``rows``, to compare by eye.

    ``rows`` maps a line's name (``real``, ``baseline``, …) to features ``[n, d]`` with d = height·width, ``labels`` the
    same names to class ids ``[n]``; the first ``columns`` of each class are drawn, 0 as white and the largest real
    value (first entry) as black. ``path`` ends in ``.png``. Raises ``ShapeError`` for features that are no
    pictures, ``DataError`` for a class without rows, ``MissingExtraError`` without matplotlib.
    """
    if os.fspath(path)[-4:].lower() != ".png":
        raise DataError(f"{os.fspath(path)}: the picture is a PNG; end its name in .png")
    _check(rows, labels, image_shape)
    picked = {
        (c, name): _pick(features, labels[name], c, columns, image_shape, name)
        for c in classes
        for name, features in rows.items()
    }
    black = float(next(iter(rows.values())).max())
    figure = _draw(picked, list(rows), [(c, class_names[c]) for c in classes], columns, black, title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")
    return Path(path)


def _check(rows: Mapping[str, Tensor], labels: Mapping[str, Tensor], image_shape: tuple[int, int]) -> None:
    height, width = image_shape
    if not rows or list(rows) != list(labels):
        raise DataError(f"rows and labels must name the same lines, found {list(rows)} and {list(labels)}")
    for name, features in rows.items():
        if features.ndim != 2 or features.shape[1] != height * width or labels[name].shape != features.shape[:1]:
            raise ShapeError(
                f"{name}: expected features [n, {height * width}] ({height}×{width} pictures) and labels [n], "
                f"found {list(features.shape)} and {list(labels[name].shape)}"
            )


def _pick(
    features: Tensor, labels: Tensor, label: int, columns: int, image_shape: tuple[int, int], name: str
) -> NDArray[np.float32]:
    chosen = features[labels == label][:columns]
    if not len(chosen):
        raise DataError(f"{name}: class {label} has no rows to draw")
    return chosen.detach().to("cpu", torch.float32).reshape(-1, *image_shape).numpy()


def _draw(
    picked: Mapping[tuple[int, str], NDArray[np.float32]],
    names: list[str],
    classes: list[tuple[int, str]],
    columns: int,
    black: float,
    title: str,
) -> Any:
    try:
        # Figure alone: pyplot would choose a backend and keep global state.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "drawing pictures") from error
    band = BAND_TITLE + len(names) * TILE + GAP
    left_edge = 2 * MARGIN + LETTER * max(map(len, names))
    longest = max(columns * TILE, TITLE_LETTER * len(title), *(LETTER * len(name) for _, name in classes))
    width, height = left_edge + longest + MARGIN, TOP + len(classes) * band + MARGIN
    figure = Figure(figsize=(width, height))
    figure.text(left_edge / width, 1 - 0.32 / height, title, fontsize=12, fontweight="bold", va="center")
    for i, (label, class_name) in enumerate(classes):
        top = TOP + i * band
        figure.text(left_edge / width, 1 - (top + 0.14) / height, class_name, fontsize=9, color="0.35", va="center")
        for j, name in enumerate(names):
            line = top + BAND_TITLE + j * TILE
            middle = 1 - (line + TILE / 2) / height
            figure.text((left_edge - 0.12) / width, middle, name, fontsize=9, ha="right", va="center")
            for k, image in enumerate(picked[label, name]):
                left = (left_edge + k * TILE) / width
                axes = figure.add_axes(
                    (left, 1 - (line + TILE * 0.95) / height, TILE * 0.9 / width, TILE * 0.9 / height)
                )
                axes.imshow(image, cmap="gray_r", vmin=0.0, vmax=black, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color="0.8", linewidth=0.5)
    return figure
