"""Train any conditional generator network as a Wasserstein GAN with gradient penalty."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap import hookimpl
from d3wrap.adapters.callable import Call, CallableGenerator, Order, probe
from d3wrap.adapters.critic import Critic
from d3wrap.adapters.output import Output
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.evaluation import SoftmaxClassifier, fit_classifier
from d3wrap.generator import Backbone, Phase, RealBatch
from d3wrap.specs import AdapterSpec


class GANBackbone(Backbone):
    """A generator network trained as in f-CLSWGAN (Xian et al., CVPR 2018).

    Critic phase, ``critic_steps`` times: E[D(x̃, a)] − E[D(x, a)] + λ E[(‖∇D‖ − 1)²]. Generator phase:
    −E[D(x̃, a)] + β L_cls, where L_cls is the cross-entropy of a softmax classifier trained beforehand on real
    features of the seen classes and then frozen; ``classification_weight`` is β.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        noise_dim: int,
        feature_dim: int,
        semantic_dim: int,
        num_classes: int,
        order: Order | None = None,
        call: Call | None = None,
        output: Output | None = None,
        critic_hidden: int = 4096,
        critic_steps: int = 5,
        penalty_weight: float = 10.0,
        classification_weight: float = 0.01,
        lr: float = 1e-4,
        name: str = "gan",
    ) -> None:
        super().__init__()
        self.name = name
        self.feature_dim, self.semantic_dim = feature_dim, semantic_dim
        self.generator = CallableGenerator(network, noise_dim=noise_dim, order=order, call=call, output=output)
        self.critic = Critic(feature_dim, semantic_dim, critic_hidden)
        self.critic_steps = critic_steps
        self.penalty_weight = penalty_weight
        self.classification_weight = classification_weight
        self.lr = lr
        self.seen_classifier = SoftmaxClassifier(feature_dim, num_classes).requires_grad_(False)

    def try_out(self, dataset: GZSLDataset) -> None:
        """Call the network once, leaving no trace; raises ``ShapeError`` where it does not fit the dataset."""
        probe(self.generator, dataset)

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Train and freeze the softmax classifier of the classification term."""
        if self.classification_weight:
            features, labels = dataset.train_features, dataset.train_labels
            self.seen_classifier.requires_grad_(True)
            fit_classifier(self.seen_classifier, features, labels, rng=rng)
            self.seen_classifier.requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        """Return ``critic_steps`` critic steps and one generator step; what the network has frozen stays so."""
        trained = tuple(p for p in self.generator.parameters() if p.requires_grad)
        return (
            Phase("critic", tuple(self.critic.parameters()), lr=self.lr, repeats=self.critic_steps),
            Phase("generator", trained, lr=self.lr, enhanced=True),
        )

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of ``critic`` or ``generator``; see the class for the equations."""
        if phase == "critic":
            with torch.no_grad():
                generated = self.generate(batch.semantics, rng=rng)
            return self.critic_terms(batch, generated, rng)
        return self.generator_terms(batch, self.generate(batch.semantics, rng=rng))

    def critic_terms(self, batch: RealBatch, generated: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what the critic minimises on real features and generated ones of the same classes."""
        on_real, on_generated, penalty = self.critic.compare(batch.features, generated, batch.semantics, rng)
        return {"wasserstein": on_generated.mean() - on_real.mean(), "penalty": self.penalty_weight * penalty}

    def generator_terms(self, batch: RealBatch, generated: Tensor) -> dict[str, Tensor]:
        """Return what the generator minimises on generated features of the batch's classes."""
        terms = {"adversarial": -self.critic(generated, batch.semantics).mean()}
        if self.classification_weight:
            logits = self.seen_classifier(generated)
            terms["classification"] = self.classification_weight * F.cross_entropy(logits, batch.labels)
        return terms

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self.generator.generate(semantics, rng=rng)


SIZES = ("self", "network", "feature_dim", "semantic_dim", "num_classes")
"""Arguments of :class:`GANBackbone` that follow from network and dataset."""


@dataclass(frozen=True)
class GANAdapter:
    """A generator network waiting for the dataset whose sizes its critic needs; see :meth:`bind`."""

    network: nn.Module
    options: Mapping[str, Any]
    backbone: type[GANBackbone] = GANBackbone

    def bind(self, dataset: GZSLDataset) -> GANBackbone:
        """Build the backbone for a dataset, after one trial call of the network.

        Raises :class:`~d3wrap.errors.ShapeError` where the network does not take or give what the dataset has.
        """
        backbone = self.backbone(
            self.network,
            feature_dim=dataset.feature_dim,
            semantic_dim=dataset.semantic_dim,
            num_classes=dataset.num_classes,
            **self.options,
        )
        backbone.try_out(dataset)
        return backbone


def adapt_network(
    network: nn.Module, *, noise_dim: int, order: Order | None = None, call: Call | None = None, **options: Any
) -> GANAdapter:
    """Adapt a network called with noise and semantics; ``options`` are those of :class:`GANBackbone`.

    ``call(network, noise, semantics)`` says how, where it takes more; ``output`` names the features, where it returns
    more (see :class:`~d3wrap.adapters.callable.CallableGenerator`). Raises :class:`~d3wrap.errors.ConfigError` for
    an unknown option, and where ``order`` is needed.
    """
    check_options("gan", options)
    order = CallableGenerator(network, noise_dim=noise_dim, order=order, call=call).order
    return GANAdapter(network, {"noise_dim": noise_dim, "order": order, "call": call, **options})


def check_options(adapter: str, options: Iterable[str], own: Iterable[str] = ()) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for an option that is neither of :class:`GANBackbone` nor ``own``."""
    known = set(inspect.signature(GANBackbone.__init__).parameters) - set(SIZES) | set(own)
    for option in options:
        if option not in known:
            raise ConfigError(f"adapter {adapter!r} has no option {option!r}{did_you_mean(option, known)}")


@hookimpl
def register_adapters(register: Callable[[AdapterSpec], None]) -> None:
    """Register the adapter ``gan``."""
    register(
        AdapterSpec(
            name="gan",
            summary="a network called with noise and semantics, trained as a WGAN-GP with a critic of ours",
            accepts=lambda network: isinstance(network, nn.Module),
            build=adapt_network,
        )
    )
