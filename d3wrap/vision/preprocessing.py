"""From an RGB image to what a network takes: resized, cut to its middle, scaled and normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from d3wrap.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS = ("bicubic", "bilinear", "lanczos", "nearest")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Wishes:
    """What somebody asked for instead of the preprocessing a network comes with; ``None`` where nothing was."""

    size: int | None = None
    """Height and width of what the network takes, in pixels."""
    crop: float | None = None
    """Share of the resized image's shorter side that stays, in (0, 1]."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ConfigError(f"size is {self.size}, expected 1 or more pixels")
        if self.crop is not None and not 0 < self.crop <= 1:
            raise ConfigError(f"crop is {self.crop}, expected a share in (0, 1]")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != 3:
                raise ConfigError(f"{name} has {len(values)} values, expected three: one for red, green and blue")
        if self.std is not None and min(self.std) <= 0:
            raise ConfigError(f"std is {self.std}, expected values above 0")
        if self.interpolation not in (None, *INTERPOLATIONS):
            raise ConfigError(f"interpolation is {self.interpolation!r}, expected one of {', '.join(INTERPOLATIONS)}")

    def given(self) -> dict[str, Any]:
        """Return what was asked for, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Preprocessing:
    """A function from an RGB image to float32 ``[3, height, width]``, and its settings for the record."""

    size: tuple[int, int]
    """Height and width that come out."""
    function: Callable[[Image], Tensor] = field(compare=False)
    settings: Mapping[str, Any]
    """Everything it does, as JSON can hold it."""

    def __call__(self, image: Image) -> Tensor:
        """Return the network's input for one image."""
        return self.function(image)

    def described(self) -> str:
        """Return the settings in one line."""
        return ", ".join(f"{name} {_plain(value)}" for name, value in self.settings.items())


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " × ".join(map(str, value)) if len(value) == 2 else "/".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain_preprocessing(wishes: Wishes, size: tuple[int, int]) -> Preprocessing:
    """Return the preprocessing of a network that says nothing about it, as torchvision's transforms would do it.

    The shorter side is resized to ``size / crop``, the middle cut out, bytes scaled to 0 … 1, and mean subtracted and
    divided by std. Without wishes: all of the shorter side, bicubic, ImageNet's mean and std.
    """
    height, width = size
    crop = wishes.crop or 1.0
    scaled = int(height / crop), int(width / crop)
    interpolation = wishes.interpolation or "bicubic"
    mean = torch.tensor(wishes.mean or IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(wishes.std or IMAGENET_STD).view(3, 1, 1)

    def prepare(image: Image) -> Tensor:
        middle = _middle(_covering(image, scaled, interpolation), height, width)
        pixels = torch.from_numpy(np.array(middle, dtype=np.uint8)).permute(2, 0, 1).contiguous()
        return (pixels.float() / 255 - mean) / std

    settings = {
        "size": [height, width],
        "crop": crop,
        "interpolation": interpolation,
        "mean": list(wishes.mean or IMAGENET_MEAN),
        "std": list(wishes.std or IMAGENET_STD),
    }
    return Preprocessing(size, prepare, settings)


def _covering(image: Image, size: tuple[int, int], interpolation: str) -> Image:
    """Resize an image, keeping its proportions, to the smallest that covers ``size`` (height, width)."""
    from PIL import Image

    height, width = size
    if image.width * height <= image.height * width:
        new = width, max(int(width * image.height / image.width), height)
    else:
        new = max(int(height * image.width / image.height), width), height
    if new == image.size:
        return image
    return image.resize(new, getattr(Image.Resampling, interpolation.upper()))


def _middle(image: Image, height: int, width: int) -> Image:
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    return image.crop((left, top, left + width, top + height))
