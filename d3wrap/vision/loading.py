"""From what somebody typed to a network: ``timm:NAME``, ``open_clip:NAME``, ``torchscript:FILE``, ``onnx:FILE``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch

from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.onnx_model import onnx_model
from d3wrap.vision.open_clip_model import open_clip_model
from d3wrap.vision.preprocessing import Wishes
from d3wrap.vision.timm_model import timm_model
from d3wrap.vision.torchscript_model import torchscript_model

KINDS = ("timm", "open_clip", "torchscript", "onnx")


@dataclass(frozen=True)
class ModelOptions:
    """What else there is to say about a network; see the functions of the four kinds."""

    weights: str | os.PathLike[str] | None = None
    """A file of weights, for ``timm`` and ``open_clip``, instead of those the name stands for."""
    random_weights: int | None = None
    """A seed to draw weights with, for ``timm`` and ``open_clip``: features for trials, not for results."""
    trust: bool = False
    """For ``torchscript``: run the program in the file."""
    output: str | None = None
    """For ``onnx``: the output to take."""
    wishes: Wishes = field(default_factory=Wishes)


def load_image_model(spec: str, options: ModelOptions | None = None, device: torch.device | str = "cpu") -> ImageModel:
    """Return the network that ``spec`` names, ready on ``device``.

    Raises :class:`~d3wrap.errors.ConfigError` for a kind that does not exist and for options that are not of its kind,
    and what the functions of the kinds raise.
    """
    options = options or ModelOptions()
    device = torch.device(device)
    kind, colon, name = spec.partition(":")
    if kind not in KINDS:
        raise ConfigError(
            f"model: there are no networks {kind!r}{did_you_mean(kind, KINDS)}, e.g. timm:resnet50.a1_in1k"
        )
    if not colon or not name:
        raise ConfigError(f"model: {spec!r} names no network, expected {kind}:{_example(kind)}")
    _check_options(kind, options)
    if kind in ("timm", "open_clip"):
        weights = Path(options.weights) if options.weights is not None else None
        load = timm_model if kind == "timm" else open_clip_model
        return load(name, options.wishes, weights=weights, random_seed=options.random_weights, device=device)
    if kind == "torchscript":
        return torchscript_model(Path(name), options.wishes, trust=options.trust, device=device)
    return onnx_model(Path(name), options.wishes, output=options.output, device=device)


def _example(kind: str) -> str:
    return {"timm": "resnet50.a1_in1k", "open_clip": "ViT-B-32/laion2b_s34b_b79k"}.get(kind, "FILE")


def _check_options(kind: str, options: ModelOptions) -> None:
    library = kind in ("timm", "open_clip")
    for name, given, fits in (
        ("--weights", options.weights is not None, library),
        ("--random-weights", options.random_weights is not None, library),
        ("--trust", options.trust, kind == "torchscript"),
        ("--output", options.output is not None, kind == "onnx"),
    ):
        if given and not fits:
            raise ConfigError(f"{name} says nothing about {kind} networks: leave it out")
    if options.weights is not None and options.random_weights is not None:
        raise ConfigError("--weights and --random-weights exclude each other: leave one out")
