"""Fine-tune a distilled student on a few images of each unseen class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d3wrap.distilling.data import DistillData
from d3wrap.distilling.measuring import accuracy, student_features
from d3wrap.distilling.training import Distillation, Stage
from d3wrap.errors import DataError
from d3wrap.seeds import stream


@dataclass(frozen=True)
class Shots:
    """Rows of unseen classes that the student is shown, and those left to measure it on."""

    shown: Tensor
    left: Tensor


def draw_shots(data: DistillData, shots: int, seed: int) -> Shots:
    """Draw ``shots`` test rows of each unseen class, the same for every recipe of a seed.

    Raises :class:`~d3wrap.errors.DataError` for a class that would have no image left to be measured on.
    """
    dataset, rng = data.dataset, stream(seed, "distill/shots")
    rows = dataset.test_unseen
    labels, shown = dataset.labels[rows], []
    for index in dataset.unseen.tolist():
        own = rows[labels == index]
        if len(own) <= shots:
            raise DataError(
                f"class {index} ({dataset.class_names[index]}) has {len(own)} images, too few to show {shots} and "
                "measure on others: give --set shots=0, or fewer"
            )
        shown.append(own[torch.randperm(len(own), generator=rng)[:shots].to(own.device)])
    chosen = torch.cat(shown)
    return Shots(chosen, rows[~torch.isin(rows, chosen)])


def tuning_stage(data: DistillData, distillation: Distillation, shots: Shots) -> Stage:
    """Return the stage that fine-tunes: all classes compete, and half of each batch is of the images shown."""
    settings = distillation.settings
    everything = torch.cat([data.dataset.seen, data.dataset.unseen]).sort().values
    return Stage(
        "tuning", data.dataset.train, everything, settings.tuning_epochs, settings.tuning_lr, shots=shots.shown
    )


def few_shot_accuracy(distillation: Distillation, shots: Shots) -> float:
    """Return the mean per-class accuracy among the unseen classes, on the images that were not shown."""
    data = distillation.data
    features = student_features(distillation.student, data, shots.left, distillation.settings, distillation.precision)
    return accuracy(features, distillation.text, data.dataset.labels[shots.left], data.dataset.unseen)
