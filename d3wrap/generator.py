"""What d3wrap asks of a generator, and of one that can also train itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from d3wrap.data.dataset import GZSLDataset
from d3wrap.settings import GRADIENT_SHARE
from d3wrap.specs import BackboneSettings

LIKELIHOOD_SHARE = 0.005
"""``gradient_share`` that suits a generator trained by likelihood (VAE, flow); see docs/settings.md."""


@runtime_checkable
class Generator(Protocol):
    """Anything that turns class semantics into visual features, with gradients.

    Shapes: semantics ``[n, k]`` → features ``[n, d]``, one feature per row. ``rng`` supplies every random
    number that is drawn; ``None`` means torch's global stream. Where the final classifier works in another space
    than the dataset's features, a method ``encode`` takes real features there, and ``generate`` gives what lies
    there already; see :meth:`Backbone.encode`.
    """

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row of ``semantics``."""
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters that gradients of generated features reach."""
        ...


def generate_for(generator: Generator, semantics: Tensor, labels: Tensor, rng: torch.Generator | None) -> Tensor:
    """Generate one feature for each label, given the table ``semantics [C, k]`` of all classes: ``[n]`` → ``[n, d]``.

    A generator with a method ``generate_for(labels, *, rng)`` looks its classes up by itself, e.g. where their
    semantics change while it trains.
    """
    own = getattr(generator, "generate_for", None)
    features: Tensor = generator.generate(semantics[labels], rng=rng) if own is None else own(labels, rng=rng)
    return features


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
    decay: Callable[[int], float] | None = None
    """Factor of ``lr`` after n iterations; ``None`` keeps it."""


@dataclass(frozen=True)
class Stage:
    """What a backbone learns before its generator: iterations of their own number and phases, e.g. of an encoder.

    ``batch_size`` is by default that of the run.
    """

    name: str
    steps: int
    phases: tuple[Phase, ...]
    batch_size: int | None = None


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
    gradient_share: float = GRADIENT_SHARE
    """Norm of D³'s gradient as a share of the generator's own, where :class:`~d3wrap.settings.D3Settings` has none.

    The own gradient of a likelihood is mostly noise once it has settled, and does not reach unseen classes: there
    D³ pulls unopposed, and a share that suits a GAN pulls too far.
    """

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Learn from the training rows what the phases need beforehand; the default needs nothing."""
        return

    def stages(self) -> Sequence[Stage]:
        """Return what the host loop trains before the iterations of :meth:`phases`; the default is nothing.

        No phase of a stage is enhanced: D³ joins when they are over, and its teacher learns in the space of
        :meth:`encode`, which from then on must stay as it is.
        """
        return ()

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """Return the phases of one iteration, in order."""

    @abstractmethod
    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the named scalar terms whose sum ``phase`` minimises on ``batch``."""

    @abstractmethod
    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one sample for each row, in the space of the classifier: ``[n, k]`` → ``[n, e]``, differentiable."""

    def encode(self, features: Tensor) -> Tensor:
        """Take features ``[n, d]`` to the space of the classifier ``[n, e]``, each row by itself; by default as is."""
        return features

    def generate_features(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one visual feature for each row: ``[n, k]`` → ``[n, d]``; override it where :meth:`encode` is."""
        return self.generate(semantics, rng=rng)
