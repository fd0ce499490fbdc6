"""The softmax classifier trained on real + generated features, and how classifiers are trained and applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from d3wrap.errors import ConfigError, ShapeError, TrainingError
from d3wrap.evaluation.modes import evaluating
from d3wrap.training.optimizer import adam

StepLoss = Callable[[Tensor, Tensor, Tensor], Tensor | None]
"""``(features [b, d], labels [b], logits [b, C])`` → a scalar to add to the step's loss, or ``None``."""


@dataclass(frozen=True)
class ClassifierSettings:
    """How a classifier is trained: Adam over cross-entropy."""

    epochs: int = 20
    """Passes over the features."""
    batch_size: int = 128
    """Features per step."""
    lr: float = 1e-3
    """Adam's learning rate."""

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a setting out of range."""
        if self.epochs < 1 or self.batch_size < 1 or not self.lr > 0:
            raise ConfigError(
                "a classifier needs epochs ≥ 1, batch_size ≥ 1 and lr > 0, "
                f"found {self.epochs}, {self.batch_size} and {self.lr}"
            )


class SoftmaxClassifier(nn.Module):
    """A linear layer over features: ``[n, d]`` → logits ``[n, C]``.

    Weights start at zero: the loss is convex in them, so nothing depends on where they start and no seed is needed.
    """

    def __init__(self, feature_dim: int, num_classes: int) -> None:
        super().__init__()
        self.linear: nn.Linear = nn.utils.skip_init(nn.Linear, feature_dim, num_classes)  # draws nothing
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear(features)
        return logits


def fit_classifier(
    model: nn.Module,
    features: Tensor,
    labels: Tensor,
    *,
    rng: torch.Generator,
    settings: ClassifierSettings | None = None,
    step_loss: StepLoss | None = None,
    cut: Callable[[Tensor, int], Iterable[Tensor]] = torch.split,
    name: str = "softmax",
) -> None:
    """Train ``model`` (features ``[b, d]`` → logits ``[b, C]``) on features ``[n, d]`` with labels ``[n]`` in place.

    Each epoch visits every row once, in an order drawn from ``rng`` alone; ``cut(order, batch_size)`` makes batches of
    it. Nothing waits for the device within an epoch: raises ``TrainingError`` naming the first step whose loss was
    not finite when its epoch ends.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise ShapeError(
            f"classifier {name!r} needs features [n, d] and labels [n], n ≥ 1, "
            f"found {list(features.shape)} and {list(labels.shape)}"
        )
    settings = settings or ClassifierSettings()
    optimizer = adam(model.parameters(), lr=settings.lr)
    model.train()
    for epoch in range(settings.epochs):
        order = torch.randperm(len(labels), generator=rng, device=rng.device).to(features.device)
        losses = []
        for rows in cut(order, settings.batch_size):
            batch, target = features[rows], labels[rows]
            logits = model(batch)
            loss = F.cross_entropy(logits, target)
            extra = step_loss(batch, target, logits) if step_loss else None
            if extra is not None:
                loss = loss + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        _check_losses(losses, epoch, name)


def predict_scores(score: Callable[[Tensor], Tensor], features: Tensor, block: int = 4096) -> Tensor:
    """Return ``score(features)``, ``[n, d]`` → ``[n, C]``, ``block`` rows at a time without gradients.

    An ``nn.Module`` is in eval mode meanwhile.
    """
    with evaluating(score):
        return torch.cat([score(part) for part in features.split(block)])


def _check_losses(losses: list[Tensor], epoch: int, name: str) -> None:
    finite = torch.stack(losses).isfinite().tolist()
    if not all(finite):
        step = epoch * len(finite) + finite.index(False) + 1
        raise TrainingError(
            f"the loss of classifier {name!r} is NaN or infinite at step {step} (epoch {epoch + 1}); "
            "check that the features are finite, or lower the classifier's learning rate"
        )
