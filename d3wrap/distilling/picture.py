"""A picture of what is near an image in the teacher's space and in the student's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3wrap.distilling.data import DistillData
from d3wrap.distilling.metrics import nearest
from d3wrap.errors import DataError, MissingExtraError
from d3wrap.files import atomic_path

TILE = 0.5
"""Inches a picture takes."""
RIGHT, WRONG = "#2a7f3f", "#c0392b"
"""Frames of neighbours of the image's own class, and of others."""


@dataclass(frozen=True)
class Neighbours:
    """Rows of a dataset: some images ``[m]``, and the k nearest others ``[m, k]`` to each in either space."""

    images: Tensor
    teacher: Tensor
    student: Tensor


def find_neighbours(data: DistillData, student: Tensor, rows: Tensor, size: int, *, images: int, k: int) -> Neighbours:
    """Find the nearest among test ``rows`` ``[n]``, whose student features are ``student`` ``[n, e]``.

    The images are spread evenly over the classes in ``rows``: the first of each, then the second, and so on.
    """
    labels = data.dataset.labels[rows]
    places: list[int] = []
    own = [(labels == index).nonzero().squeeze(1).tolist() for index in labels.unique().tolist()]
    for turn in range(max(map(len, own))):
        places += [one[turn] for one in own if turn < len(one)]
    chosen = torch.tensor(sorted(places[:images], key=lambda place: int(labels[place])), device=rows.device)
    teacher = data.teacher_features(rows, size)
    return Neighbours(rows[chosen], rows[nearest(teacher, k, chosen)], rows[nearest(student, k, chosen)])


def neighbours_picture(path: str | os.PathLike[str], data: DistillData, found: Neighbours, title: str) -> Path:
    """Draw a line for each image: itself, its neighbours in the teacher's space, and those in the student's.

    A green frame is a neighbour of the image's class, a red one of another. ``path`` ends in ``.png``. Raises
    :class:`~d3wrap.errors.DataError` for inputs that are no images and for another ending, and
    :class:`~d3wrap.errors.MissingExtraError` without matplotlib.
    """
    if not data.are_images:
        raise DataError("neighbours can be drawn where the student sees images: give --images")
    if Path(path).suffix.lower() != ".png":
        raise DataError(f"{path}: the picture is a PNG; end its name in .png")
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "drawing neighbours") from error
    k = found.teacher.shape[1]
    lines, columns = len(found.images), 1 + 2 * k
    width, height = (columns + 2) * TILE, (lines + 1.6) * TILE
    figure = Figure(figsize=(width, height))
    figure.text(0.01, 1 - 0.35 * TILE / height, title, fontsize=7, va="center")

    def draw(row: int, line: int, column: float, frame: str | None) -> None:
        left, bottom = (column + 0.2) * TILE / width, 1 - (line + 2.5) * TILE / height
        axes = figure.add_axes((left, bottom, 0.9 * TILE / width, 0.9 * TILE / height))
        axes.imshow(_pixels(data, row), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
        axes.set_axis_off()
        if frame:
            axes.add_patch(
                Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=frame, linewidth=2.4)
            )

    for column, text in ((0, "image"), (1.5, "nearest to the teacher"), (2.0 + k, "nearest to the student")):
        figure.text((column + 0.2) * TILE / width, 1 - 1.15 * TILE / height, text, fontsize=7, va="center")
    labels = data.dataset.labels
    for line, image in enumerate(found.images.tolist()):
        draw(image, line, 0, None)
        for start, rows in ((1.5, found.teacher[line]), (2.0 + k, found.student[line])):
            for place, row in enumerate(rows.tolist()):
                draw(row, line, start + place, RIGHT if labels[row] == labels[image] else WRONG)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, facecolor="white")
    return Path(path)


def _pixels(data: DistillData, row: int) -> Any:
    """Return one image as matplotlib takes it: ``[h, w]`` grey, dark for bright, or ``[h, w, 3]``."""
    image = data.inputs[row].cpu()
    return image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
