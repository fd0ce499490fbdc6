"""Random crops and mirrorings of a batch of images, from a stream of their own."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ASPECTS = (3 / 4, 4 / 3)
"""Bounds of a crop's width over its height."""


def augmented(images: Tensor, crop: int, least_area: float, flip: bool, rng: torch.Generator) -> Tensor:
    """Return a random part of each image, resized to ``crop`` × ``crop``, half of them mirrored where ``flip`` is set.

    A part shows a share of the area drawn from [least_area, 1], cut down where its shape does not fit (Szegedy et al.,
    CVPR 2015), at a place drawn uniformly; it is resized bilinearly. Shapes: uint8 ``[n, c, h, w]`` → float
    ``[n, c, crop, crop]`` in [0, 1]. The draws are on the device of ``rng``, five for each image.
    """
    drawn = torch.rand(5, len(images), generator=rng, device=rng.device).to(images.device)
    area = least_area + (1 - least_area) * drawn[0]
    low, high = (math.log(bound) for bound in ASPECTS)
    aspect = torch.exp(low + (high - low) * drawn[1])
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    # affine_grid's coordinates run from −1 to 1, so a part of width w has its centre within ±(1 − w).
    across, down = (2 * drawn[2] - 1) * (1 - width), (2 * drawn[3] - 1) * (1 - height)
    mirrored = torch.where(drawn[4] < 0.5, -1.0, 1.0) if flip else torch.ones_like(width)
    zero = torch.zeros_like(width)
    maps = torch.stack([torch.stack([width * mirrored, zero, across], 1), torch.stack([zero, height, down], 1)], 1)
    grid = F.affine_grid(maps, [len(images), images.shape[1], crop, crop], align_corners=False)
    return F.grid_sample(as_float(images), grid, padding_mode="border", align_corners=False)


def resized(images: Tensor, size: int) -> Tensor:
    """Return whole images ``[n, c, h, w]``, uint8, as float ``[n, c, size, size]`` in [0, 1]."""
    found = as_float(images)
    if found.shape[-2:] != (size, size):
        found = F.interpolate(found, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return found


def as_float(images: Tensor) -> Tensor:
    """Return uint8 pixels as float32 in [0, 1]."""
    return images.to(torch.float32) / 255
