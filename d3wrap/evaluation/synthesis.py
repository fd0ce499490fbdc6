"""Generate features of classes to train the final classifiers on."""

from __future__ import annotations

import torch
from torch import Tensor

from d3wrap.errors import ConfigError, ShapeError, TrainingError
from d3wrap.evaluation.modes import evaluating
from d3wrap.generator import Generator, generate_for


def synthesise(
    generator: Generator,
    semantics: Tensor,
    classes: Tensor,
    per_class: int,
    rng: torch.Generator | None,
    block: int = 4096,
) -> tuple[Tensor, Tensor]:
    """Generate ``per_class`` features for each of ``classes``: features ``[n, d]`` and labels ``[n]``, by class.

    ``semantics [C, k]`` holds every class, row = class id. Works ``block`` rows at a time without gradients, an
    ``nn.Module`` in eval mode. Random numbers are drawn block by block, so equal blocks give equal features.
    Raises ``ShapeError`` where the generator's output has another shape, ``TrainingError`` where it is not finite.
    """
    if per_class < 1 or block < 1:
        raise ConfigError(f"per_class and block must be at least 1, found {per_class} and {block}")
    _check_classes(semantics, classes)
    labels = classes.to(semantics.device).repeat_interleave(per_class)
    parts: list[Tensor] = []
    with evaluating(generator):
        for rows in labels.split(block):
            part = generate_for(generator, semantics, rows, rng)
            _check_output(part, len(rows), parts[0].shape[1] if parts else None)
            parts.append(part)
    features = torch.cat(parts)
    if not features.isfinite().all():
        broken = labels[~features.isfinite().all(1)].unique().tolist()
        raise TrainingError(
            f"generated features of classes {broken[:5]} are NaN or infinite: training of the generator diverged; "
            "lower its learning rate or look at its losses in metrics.jsonl"
        )
    return features, labels


def _check_classes(semantics: Tensor, classes: Tensor) -> None:
    if semantics.ndim != 2 or classes.ndim != 1 or not len(classes):
        raise ShapeError(
            "semantics must be [C, k] and classes a non-empty [m], "
            f"found shapes {list(semantics.shape)} and {list(classes.shape)}"
        )
    low, high = int(classes.min()), int(classes.max())
    if low < 0 or high >= len(semantics):
        raise ShapeError(f"classes run from {low} to {high}, but semantics have rows 0 to {len(semantics) - 1}")


def _check_output(features: object, rows: int, width: int | None) -> None:
    if not isinstance(features, Tensor):
        raise ShapeError(f"generate() must return one tensor of features, found {type(features).__name__}")
    if features.ndim != 2 or len(features) != rows or (width is not None and features.shape[1] != width):
        raise ShapeError(
            f"generate() must return features of shape [{rows}, {width or 'd'}] for semantics of {rows} rows, "
            f"found {list(features.shape)}"
        )
