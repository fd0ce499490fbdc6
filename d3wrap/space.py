"""The space a classifier works in: the dataset's features, or what a generator's ``encode`` makes of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ShapeError
from d3wrap.evaluation.modes import evaluating
from d3wrap.generator import Backbone, Generator

BLOCK = 4096
"""Rows encoded at once."""


def encodes(generator: Generator) -> bool:
    """Tell whether the generator classifies in a space of its own."""
    if isinstance(generator, Backbone):
        return type(generator).encode is not Backbone.encode
    return hasattr(generator, "encode")


def encode(generator: Generator, features: Tensor) -> Tensor:
    """Take real features ``[n, d]`` to the space of the classifier ``[n, e]``, without gradients.

    Raises :class:`~d3wrap.errors.ShapeError` where ``encode`` does not give one vector for each row.
    """
    if not encodes(generator):
        return features
    with evaluating(generator):
        parts = [generator.encode(part) for part in features.split(BLOCK)]  # type: ignore[attr-defined]
    encoded = torch.cat(parts)
    if encoded.ndim != 2 or len(encoded) != len(features):
        raise ShapeError(
            f"{type(generator).__name__}.encode gave {list(encoded.shape)} for features {list(features.shape)}: "
            f"expected [{len(features)}, e], one row each"
        )
    return encoded


def classifier_space(generator: Generator, dataset: GZSLDataset) -> GZSLDataset:
    """Return the dataset with its features in the space of the classifier: itself where that is theirs."""
    if not encodes(generator):
        return dataset
    return replace(dataset, features=encode(generator, dataset.features), scaler=None, image_shape=None)
