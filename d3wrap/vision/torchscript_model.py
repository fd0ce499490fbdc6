"""``torchscript:FILE``: a network that somebody saved with its code."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of
from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing
from d3wrap.vision.weights_files import existing

LIBRARIES = ("torch", "pillow")


def torchscript_model(path: Path, wishes: Wishes, *, trust: bool, device: torch.device) -> ImageModel:
    """Return the network in a TorchScript file, frozen and in evaluation mode.

    Such a file is a program: to use it is to run it. It cannot call Python, but what it may call includes operators
    that read and write files, so ``trust`` must be given. The file says nothing about preprocessing: ``wishes`` must
    have the size, the rest is as :func:`~d3wrap.vision.preprocessing.plain_preprocessing` says. Raises
    :class:`~d3wrap.errors.ConfigError` without trust or size, and :class:`~d3wrap.errors.DataError` for another file.
    """
    file = existing(path, "a TorchScript file")
    if not trust:
        raise ConfigError(f"torchscript:{file} is a program, and using it runs it: if you trust it, add --trust")
    if wishes.size is None:
        raise ConfigError(f"torchscript:{file} does not say what it takes: add --size, e.g. --size 224")
    try:
        network = torch.jit.load(file, map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or ["it is damaged"])[0]
        raise DataError(f"{file}: cannot be read as TorchScript ({reason}); save it with torch.jit.save") from error

    def features(images: Tensor) -> Tensor:
        found: Tensor = network(images.to(device))
        return found

    return ImageModel(
        name=f"torchscript:{file.name}",
        weights=Weights(file.name, sha256_of(file)),
        preprocessing=plain_preprocessing(wishes, (wishes.size, wishes.size)),
        features=features,
        versions={library: version(library) for library in LIBRARIES},
        device=str(device),
    )
