"""The settings of a distillation, and the schedules of the paper as presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from d3wrap.distilling.losses import NEAREST, TEMPERATURE
from d3wrap.errors import ConfigError


@dataclass(frozen=True)
class DistillSettings:
    """How a student is made and trained; ``epochs``, sizes and rates are those of the preset ``small``."""

    # The student.
    student: str = "residual"
    """``residual``, ``mlp`` (on features), or ``timm:NAME``, untrained."""
    width: int = 24
    """Channels of the residual student's first stage; each of its three others has twice those of the one before."""
    blocks: int = 1
    """Residual blocks in each of its three stages."""
    hidden: int = 1024
    """Width of the hidden layer of the feature student."""

    # What it sees.
    size: int = 64
    """Height and width of an image when the student is measured."""
    crop: int = 48
    """Height and width of the random crops it is trained on."""
    least_area: float = 0.35
    """Smallest share of the image's area that a crop shows."""
    flip: bool = True
    """Whether half of the images are mirrored."""

    # The schedule.
    epochs: int = 24
    repeats: int = 1
    """Times that an epoch goes through the images."""
    batch_size: int = 64
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    """Of SGD."""
    schedule: Literal["step", "onecycle"] = "onecycle"
    """``step`` multiplies the rate by ``gamma`` after each epoch of ``milestones``; ``onecycle`` goes up and down."""
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1

    # The losses.
    temperature: float = TEMPERATURE
    nearest_texts: int = NEAREST
    """k of L_vl-prox."""
    only_right: bool = True
    """Whether L_vl-prox leaves out images whose class the teacher gets wrong."""
    symmetric: bool = True
    """Whether L_im-cst goes both ways."""
    centred: bool = True
    """Whether the teacher's features are taken from the mean of the training rows before they get unit length."""

    # Measuring.
    averaged: int = 5
    """Last epochs that results are the mean of."""
    neighbours: int = 10
    """k of M_neigh."""
    shots: int = 5
    """Images of each unseen class that the fine-tuned student is shown; 0 leaves fine-tuning out."""
    tuning_epochs: int = 5
    tuning_lr: float = 0.01

    def __post_init__(self) -> None:
        choices = {"optimizer": ("sgd", "adamw"), "schedule": ("step", "onecycle")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name}: expected one of {allowed}, found {getattr(self, name)!r}")
        counts = ("width", "blocks", "hidden", "size", "crop", "epochs", "repeats", "batch_size", "nearest_texts")
        for name in (*counts, "averaged", "neighbours", "tuning_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)!r}")
        for name in ("lr", "gamma", "temperature", "tuning_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)!r}")
        for name in ("weight_decay", "momentum", "shots"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected 0 or more, found {getattr(self, name)!r}")
        if not 0 < self.least_area <= 1:
            raise ConfigError(f"least_area: expected a share in (0, 1], found {self.least_area!r}")
        if self.averaged > self.epochs:
            raise ConfigError(
                f"averaged: expected at most epochs ({self.epochs}), found {self.averaged!r}: set "
                f"averaged={self.epochs} too"
            )


PRESETS: Mapping[str, DistillSettings] = {
    "small": DistillSettings(),
    "features": DistillSettings(student="mlp", epochs=30, batch_size=64, optimizer="adamw", lr=1e-3, weight_decay=0.01),
    "paper-resnet": DistillSettings(
        student="timm:resnet18",
        size=224,
        crop=224,
        least_area=0.08,
        epochs=90,
        batch_size=128,
        lr=0.05,
        weight_decay=1e-4,
        schedule="step",
        milestones=(30, 60),
        tuning_epochs=20,
        tuning_lr=0.001,
    ),
    "paper-vit": DistillSettings(
        student="timm:vit_base_patch32_224",
        size=224,
        crop=224,
        least_area=0.08,
        flip=False,
        epochs=90,
        repeats=3,
        batch_size=128,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=0.01,
        tuning_epochs=20,
        tuning_lr=2e-4,
    ),
}
"""``small`` takes minutes on a CPU core; ``features`` is for an MLP; the others are the paper's schedules.

For small datasets (flowers, cars, birds) the paper sets ``repeats`` to 5 with either.
"""
