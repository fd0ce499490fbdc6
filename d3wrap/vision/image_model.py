"""What every network that extraction can use looks like, wherever it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from d3wrap.training.precision import Precision
from d3wrap.vision.preprocessing import Preprocessing


@dataclass(frozen=True)
class Weights:
    """Where a network's weights came from."""

    described: str
    """A file's name, or how they were drawn."""
    sha256: str
    """Of the file's content; of drawn weights, of their names, types, shapes and values."""


@dataclass(frozen=True)
class ImageModel:
    """A frozen network from images to features, ready on its device."""

    name: str
    """As it was asked for, e.g. ``timm:resnet50.a1_in1k``."""
    weights: Weights
    preprocessing: Preprocessing
    features: Callable[[Tensor], Tensor]
    """From float32 ``[n, 3, height, width]`` on the CPU to whatever the network gives."""
    versions: Mapping[str, str]
    """Versions of the libraries that the numbers depend on."""
    device: str
    batch_size: int | None = None
    """Images that the network takes at once, where it takes no other number."""
    precisions: tuple[Precision, ...] = ("exact", "tf32", "bf16")
    """The ways of computing that it knows."""
