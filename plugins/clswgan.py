"""f-CLSWGAN (Xian, Lorenz, Schiele, Akata: *Feature Generating Networks for Zero-Shot Learning*, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.gan import GANBackbone
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class CLSWGANSettings(BackboneSettings):
    """Sizes and rates of f-CLSWGAN; the defaults are the paper's."""

    hidden: int = 4096
    """Width of the hidden layer of generator and critic."""
    noise_dim: int | None = None
    """Width of the noise; ``None`` is the width of the semantics, as in the paper."""
    critic_steps: int = 5
    penalty_weight: float = 10.0
    classification_weight: float = 0.01
    lr: float = 1e-4


SMALL = CLSWGANSettings(steps=3000, hidden=512, noise_dim=64, critic_steps=3, lr=4e-4)


def build(dataset: GZSLDataset, settings: CLSWGANSettings) -> GANBackbone:
    """Build an untrained f-CLSWGAN for a dataset; its generator is G(z, a) = ReLU(W₂ LeakyReLU(W₁[z; a] + b₁) + b₂)."""
    noise_dim = settings.noise_dim or dataset.semantic_dim
    sizes = (noise_dim, dataset.semantic_dim)
    network = ConditionalNetwork(sizes, (settings.hidden,), dataset.feature_dim, "relu")
    return GANBackbone(
        network,
        noise_dim=noise_dim,
        order="noise, semantics",
        feature_dim=dataset.feature_dim,
        semantic_dim=dataset.semantic_dim,
        num_classes=dataset.num_classes,
        critic_hidden=settings.hidden,
        critic_steps=settings.critic_steps,
        penalty_weight=settings.penalty_weight,
        classification_weight=settings.classification_weight,
        lr=settings.lr,
        name="clswgan",
    )


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``clswgan``."""
    register(
        GeneratorSpec(
            name="clswgan",
            family="GAN",
            summary="f-CLSWGAN: a WGAN-GP with a classification loss",
            reference="Xian et al., Feature Generating Networks for Zero-Shot Learning, CVPR 2018",
            settings=CLSWGANSettings,
            presets={"paper": CLSWGANSettings(steps=6000), "small": SMALL, "small/digits": replace(SMALL, steps=1500)},
            build=build,
            search=("lr", "classification_weight"),
        )
    )
