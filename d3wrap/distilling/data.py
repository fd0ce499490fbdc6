"""What a distillation learns from: inputs of the student, a teacher, texts, and which classes are seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.distilling.augment import as_float, resized
from d3wrap.distilling.teacher import CHUNK, ImageTeacher, LiveTeacher, text_features
from d3wrap.errors import DataError, ShapeError

STATISTICS = 2048
"""Images of training rows, the first, that the standardisation of channels is taken from."""
CONSTANT = 1e-6
"""A standard deviation up to this is rounding."""


@dataclass(frozen=True)
class DistillData:
    """Everything a student is trained and measured on.

    ``dataset`` says which rows and classes are seen. ``inputs`` are the student's: images uint8 ``[n, c, h, w]`` or
    features ``[n, d]``, possibly mapped into memory; they stay where they are, batches go to the dataset's device.
    ``texts`` are text features ``[C, e]`` in the teacher's space, of unit length, by name; ``captions`` ``[n, e]``
    likewise of each row, ``None`` where there are none.
    """

    dataset: GZSLDataset
    inputs: Tensor
    teacher: ImageTeacher
    texts: Mapping[str, Tensor]
    captions: Tensor | None = None

    def __post_init__(self) -> None:
        n, classes = len(self.dataset.labels), self.dataset.num_classes
        if len(self.inputs) != n:
            raise ShapeError(f"the student has {len(self.inputs)} inputs, the dataset {n} rows")
        for name, text in self.texts.items():
            if tuple(text.shape) != (classes, self.teacher.width):
                raise ShapeError(
                    f"text {name!r} has shape {list(text.shape)}, expected {[classes, self.teacher.width]}: a row for "
                    "each class, as wide as the teacher's features"
                )
        if self.captions is not None and tuple(self.captions.shape) != (n, self.teacher.width):
            raise ShapeError(f"captions have shape {list(self.captions.shape)}, expected {[n, self.teacher.width]}")

    @property
    def device(self) -> torch.device:
        """Where batches go."""
        return self.dataset.labels.device

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row's input."""
        return tuple(self.inputs.shape[1:])

    @property
    def are_images(self) -> bool:
        """Whether the inputs are images."""
        return self.inputs.ndim == 4

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the inputs by channel or feature, to broadcast against a batch.

        A feature that never changes has 1 in place of its deviation: other rows may differ in it, and must not become
        enormous.
        """
        rows = self.dataset.train.to(self.inputs.device)
        # rows may lie in the order of their classes: channels hardly care, features do
        part = as_float(self.inputs[rows[:STATISTICS]]) if self.are_images else self.inputs[rows]
        dims = (0, 2, 3) if self.are_images else (0,)
        std, mean = torch.std_mean(part.double(), dims, keepdim=True, correction=0)
        return mean.float().to(self.device), std.where(std > CONSTANT, 1.0).float().to(self.device)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of images as a student sees them, and of the weights of a teacher that looks at them."""
        found = {}
        if self.are_images:
            found["pixels"] = hashlib.sha256(self.inputs.cpu().contiguous().numpy().data).hexdigest()
        if isinstance(self.teacher, LiveTeacher):
            found["weights of the teacher"] = self.teacher.model.weights.sha256
        return found

    def batch(self, rows: Tensor) -> Tensor:
        """Return the inputs of rows ``[m]`` as they are stored, on :attr:`device`."""
        return self.inputs[rows.to(self.inputs.device)].to(self.device)

    def whole(self, rows: Tensor, size: int) -> Tensor:
        """Return the inputs of rows ``[m]`` to measure the student on: whole images at ``size``, or features."""
        found = self.batch(rows)
        return resized(found, size) if self.are_images else found

    def teacher_features(self, rows: Tensor, size: int) -> Tensor:
        """Return the teacher's features ``[m, e]`` of rows ``[m]``; a live teacher looks at whole images."""
        parts = [self.teacher.features(part, self.whole(part, size)) for part in rows.split(CHUNK // 4)]
        return torch.cat(parts)


def mapped_texts(shown: DistillData, semantics: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Map semantics ``[C, k]``, by name, into the space of the teacher of ``shown``, which needs no texts yet.

    See :func:`~d3wrap.distilling.teacher.text_features`; a live teacher looks at whole images at ``size``.
    """
    dataset = shown.dataset
    images = shown.teacher_features(dataset.train, size)
    return {name: text_features(one, images, dataset.train_labels, dataset.seen) for name, one in semantics.items()}


def array_features(path: str | os.PathLike[str], rows: int, what: str) -> Tensor:
    """Open an ``.npy`` file of features ``[rows, d]``, mapped into memory.

    Raises :class:`~d3wrap.errors.DataError` for another kind of file or another number of rows.
    """
    try:
        array = np.load(Path(path).expanduser(), mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {what} cannot be read ({error}); write a plain array with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or len(array) != rows or array.dtype.kind != "f":
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{path}: {what}: found {found}, expected floating-point numbers of shape [{rows}, d]")
    return torch.from_numpy(array)


def caption_features(path: str | os.PathLike[str], rows: int) -> Tensor:
    """Read captions' text features ``[rows, e]`` from an ``.npy`` file and bring them to unit length."""
    return F.normalize(array_features(path, rows, "captions").float(), dim=1)
