"""Train any conditional generator network as a Wasserstein GAN with gradient penalty."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap import hookimpl
from d3wrap.adapters.adversarial import AdversarialBackbone
from d3wrap.adapters.callable import Call, CallableGenerator, probe
from d3wrap.adapters.critic import Critic
from d3wrap.arguments import Order
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.generator import RealBatch
from d3wrap.outputs import Output
from d3wrap.specs import AdapterSpec


class GANBackbone(AdversarialBackbone):
    """A generator network trained as in f-CLSWGAN (Xian et al., CVPR 2018).

    Critic phase, ``critic_steps`` times: E[D(x̃, a)] − E[D(x, a)] + λ E[(‖∇D‖ − 1)²]. Generator phase:
    −E[D(x̃, a)] + β L_cls, where L_cls is the cross-entropy of a softmax classifier trained beforehand on real
    features of the seen classes and then frozen; ``classification_weight`` is β.
    """

    generator: CallableGenerator

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
        super().__init__(
            CallableGenerator(network, noise_dim=noise_dim, order=order, call=call, output=output),
            Critic(feature_dim, semantic_dim, critic_hidden),
            feature_dim=feature_dim,
            semantic_dim=semantic_dim,
            num_classes=num_classes,
            critic_steps=critic_steps,
            penalty_weight=penalty_weight,
            classification_weight=classification_weight,
            lr=lr,
            name=name,
        )

    def try_out(self, dataset: GZSLDataset) -> None:
        """Call the network once, leaving no trace; raises ``ShapeError`` where it does not fit the dataset."""
        probe(self.generator, dataset)

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of ``critic`` or ``generator``; see the class for the equations."""
        if phase == "critic":
            with torch.no_grad():
                generated = self.generate(batch.semantics, rng=rng)
            return self.critic_terms(batch, generated, rng)
        return self.generator_terms(batch, self.generate(batch.semantics, rng=rng))

    def critic_terms(self, batch: RealBatch, generated: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what the critic minimises on real features and generated ones of the same classes."""
        return self.compare(batch.features, generated, batch.semantics, rng)

    def generator_terms(self, batch: RealBatch, generated: Tensor) -> dict[str, Tensor]:
        """Return what the generator minimises on generated features of the batch's classes."""
        adversarial = -self.critic(generated, batch.semantics).mean()
        return {"adversarial": adversarial, **self.classification(generated, batch.labels)}

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self.generator.generate(semantics, rng=rng)


SIZES = ("self", "network", "feature_dim", "semantic_dim", "num_classes")
"""Arguments of a backbone that follow from network and dataset."""


@dataclass(frozen=True)
class GANAdapter:
    """A generator network waiting for the dataset whose sizes its critic needs; see :meth:`bind`."""

    network: nn.Module
    options: Mapping[str, Any]
    backbone: Callable[..., AdversarialBackbone] = GANBackbone

    def bind(self, dataset: GZSLDataset) -> AdversarialBackbone:
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


def check_options(
    adapter: str,
    options: Iterable[str],
    own: Iterable[str] = (),
    backbone: type[AdversarialBackbone] = GANBackbone,
) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for an option that is neither of ``backbone`` nor ``own``."""
    known = set(inspect.signature(backbone.__init__).parameters) - set(SIZES) | set(own)
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
