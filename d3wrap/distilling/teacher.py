"""The teacher's side: image features of unit length, stored or computed live, and text features in their space."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.errors import ShapeError
from d3wrap.ridge import ridge

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

    ``size`` is the height and width it takes; ``mean`` and ``std`` standardise pixels by channel, ``[c]``. ``centre``
    ``[d]`` is taken off its features.
    """

    def __init__(
        self, network: nn.Module, width: int, *, size: int, mean: Tensor, std: Tensor, centre: Tensor | None = None
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.width, self.size, self.centre = width, size, centre
        self.mean, self.std = mean[:, None, None], std[:, None, None]

    @torch.no_grad()
    def raw(self, images: Tensor) -> Tensor:
        """Return the network's own features of images ``[n, c, h, w]`` in [0, 1]."""
        if images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        found: Tensor = self.network((images - self.mean.to(images)) / self.std.to(images))
        return found.float()

    def features(self, rows: Tensor, images: Tensor | None = None) -> Tensor:
        """Return the features of ``images``."""
        if images is None:
            raise ShapeError("a live teacher needs the images")
        found = self.raw(images)
        return F.normalize(found if self.centre is None else found - self.centre.to(found), dim=1)


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
    return F.normalize(ridge(semantics[seen].to(images), means)(semantics.to(images)), dim=1)
