"""f-CLSWGAN (Xian, Lorenz, Schiele, Akata: *Feature Generating Networks for Zero-Shot Learning*, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.critic import SLOPE, initialise
from d3wrap.adapters.gan import GANBackbone
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


class ConditionalGenerator(nn.Module):
    """G(z, a) = ReLU(W₂ LeakyReLU(W₁[z; a] + b₁) + b₂); noise ``[n, z]``, semantics ``[n, k]`` → ``[n, d]``."""

    def __init__(self, noise_dim: int, semantic_dim: int, hidden: int, feature_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(noise_dim + semantic_dim, hidden)
        self.out = nn.Linear(hidden, feature_dim)
        initialise(self)

    def forward(self, noise: Tensor, semantics: Tensor) -> Tensor:
        """Generate one feature for each row."""
        return F.relu(self.out(F.leaky_relu(self.hidden(torch.cat([noise, semantics], 1)), SLOPE)))


def build(dataset: GZSLDataset, settings: CLSWGANSettings) -> GANBackbone:
    """Build an untrained f-CLSWGAN for a dataset."""
    noise_dim = settings.noise_dim or dataset.semantic_dim
    network = ConditionalGenerator(noise_dim, dataset.semantic_dim, settings.hidden, dataset.feature_dim)
    return GANBackbone(
        network,
        noise_dim=noise_dim,
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
            presets={
                "paper": CLSWGANSettings(steps=6000),
                "small": CLSWGANSettings(steps=3000, hidden=512, noise_dim=64, critic_steps=3, lr=4e-4),
            },
            build=build,
        )
    )
