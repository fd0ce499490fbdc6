"""What d3wrap asks of a generator, and of one that can also train itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from d3wrap.data.dataset import GZSLDataset
from d3wrap.specs import BackboneSettings


@runtime_checkable
class Generator(Protocol):
    """Anything that turns class semantics into visual features, with gradients.

    Shapes: semantics ``[n, k]`` → features ``[n, d]``, one feature per row. ``rng`` supplies every random
    number that is drawn; ``None`` means torch's global stream.
    """

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row of ``semantics``."""
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters that gradients of generated features reach."""
        ...


@dataclass(frozen=True)
class RealBatch:
    """Real features of seen classes: features ``[b, d]``, labels ``[b]`` (class ids), semantics ``[b, k]``."""

    features: Tensor
    labels: Tensor
    semantics: Tensor


@dataclass(frozen=True)
class Phase:
    """One kind of step within an iteration of a backbone, e.g. a GAN's critic step.

    The host loop runs the phases in order, each ``repeats`` times with a fresh batch, and steps its own
    Adam over ``parameters``. Exactly one phase is ``enhanced``: there D³ adds its gradient.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    lr: float
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0
    repeats: int = 1
    enhanced: bool = False


class Backbone(nn.Module, ABC):
    """A generator that also knows how to train itself: what a generator plugin builds.

    It holds no loop and no optimizer; it says which phases an iteration has and what each minimises, and
    the host loop of :func:`d3wrap.training.fit` does the rest for every family.
    """

    name: str
    feature_dim: int
    semantic_dim: int
    settings: BackboneSettings = BackboneSettings()
    """What it was built with; the host takes steps and batch size from here."""

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Learn from the training rows what the phases need beforehand; the default needs nothing."""
        return

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of one iteration, in order."""

    @abstractmethod
    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the named scalar terms whose sum ``phase`` minimises on ``batch``."""

    @abstractmethod
    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``, differentiable."""
