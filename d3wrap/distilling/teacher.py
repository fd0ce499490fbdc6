"""The teacher's side: image features of unit length, stored or computed live, and text features in their space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.errors import ShapeError
from d3wrap.ridge import ridge
from d3wrap.vision.image_model import ImageModel

CHUNK = 1024
"""Rows looked at at once where all rows are."""


class ImageTeacher(Protocol):
    """Gives the teacher's features, of unit length, for rows of a dataset that is shown as ``images``."""

    width: int

    def features(self, rows: Tensor, images: Tensor | None = None) -> Tensor:
        """Return features ``[n, d]`` for rows ``[n]``; a live teacher looks at ``images``, a stored one does not."""
        ...


class StoredTeacher:
    """A teacher whose features ``[n, d]`` are there: a tensor, or an array mapped into memory, read where needed.

    With ``centred`` rows, their mean is taken off first: features that are all on one side, as those after a ReLU,
    would have cosines that hardly differ. What is centred must then be text in the same space.
    """

    def __init__(self, features: Tensor, centred: Tensor | None = None) -> None:
        if features.ndim != 2:
            raise ShapeError(f"the teacher's features have shape {list(features.shape)}, expected [n, d]")
        self._features, self.width = features, int(features.shape[1])
        self.centre = None if centred is None else mean_of(features, centred)

    def features(self, rows: Tensor, images: Tensor | None = None) -> Tensor:
        """Return the features of ``rows``."""
        found = self._features[rows.to(self._features.device)].to(rows.device, torch.float32)
        return F.normalize(found if self.centre is None else found - self.centre.to(found), dim=1)


class LiveTeacher:
    """A frozen network that looks at the very images the student sees, at each step.

    ``model`` comes from :func:`d3wrap.vision.loading.load_image_model`; images are resized and standardised as it
    wants. ``centre`` ``[d]`` is taken off its features. Raises :class:`~d3wrap.errors.ShapeError` where it gives no
    features ``[n, d]``.
    """

    def __init__(self, model: ImageModel, centre: Tensor | None = None) -> None:
        self.model, self.centre = model, centre
        self._mean, self._std = (
            torch.tensor(model.preprocessing.settings[name])[:, None, None] for name in ("mean", "std")
        )
        found = self.raw(torch.zeros(1, 3, *model.preprocessing.size))
        if found.ndim != 2:
            raise ShapeError(f"teacher {model.name}: gives {list(found.shape)} for one image, expected [1, d]")
        self.width = int(found.shape[1])

    @torch.no_grad()
    def raw(self, images: Tensor) -> Tensor:
        """Return the network's own features of images ``[n, 3, h, w]`` in [0, 1], in float32."""
        if images.shape[-2:] != self.model.preprocessing.size:
            size = list(self.model.preprocessing.size)
            images = F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        return self.model.features((images.float().cpu() - self._mean) / self._std).float()

    def features(self, rows: Tensor, images: Tensor | None = None) -> Tensor:
        """Return the features of ``images``."""
        if images is None:
            raise ShapeError("a live teacher needs the images")
        found = self.raw(images).to(images.device)
        return F.normalize(found if self.centre is None else found - self.centre.to(found), dim=1)

    def centred(self, batches: Iterable[Tensor]) -> LiveTeacher:
        """Return the teacher with the mean of its features of all images of ``batches`` as ``centre``."""
        total, count = torch.zeros(self.width, dtype=torch.float64), 0
        for images in batches:
            total, count = total + self.raw(images).double().sum(0).cpu(), count + len(images)
        return LiveTeacher(self.model, (total / count).float())


def mean_of(features: Tensor, rows: Tensor) -> Tensor:
    """Return the mean of some rows ``[m]`` of features ``[n, d]``, in float32, without copying them all."""
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    for part in rows.split(CHUNK):
        total += features[part.to(features.device)].double().sum(0).cpu()
    return (total / len(rows)).float()


def text_features(semantics: Tensor, images: Tensor, labels: Tensor, seen: Tensor) -> Tensor:
    """Map class semantics into the teacher's space by what the seen classes show, for a teacher without a text tower.

    A ridge regression from the semantics of the seen classes to the mean of the teacher's features of their training
    images, its strength found from these classes alone; the map is then used for every class. Shapes: semantics
    ``[C, k]``, images ``[n, d]`` of unit length and labels ``[n]`` of training rows, seen ``[S]`` class ids →
    ``[C, d]``, of unit length. Unseen classes' images take no part. Raises :class:`~d3wrap.errors.ShapeError` for a
    seen class without images.
    """
    places = torch.searchsorted(seen, labels)
    counts = torch.bincount(places, minlength=len(seen))
    if not counts.all():
        raise ShapeError(f"text features: class {int(seen[counts == 0][0])} is seen and has no training image")
    sums = images.new_zeros(len(seen), images.shape[1]).index_add_(0, places, images)
    means = sums / counts[:, None]
    # semantics may be on another device than the ids of classes: first they go where the images are
    known = semantics.to(images)
    return F.normalize(ridge(known[seen], means)(known), dim=1)
