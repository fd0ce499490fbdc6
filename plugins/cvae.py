"""The conditional VAE (Sohn, Lee and Yan, NeurIPS 2015) as a generator of features of unseen classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.adapters.vae import VAEBackbone
from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class CVAESettings(BackboneSettings):
    """Sizes, losses and rates of the conditional VAE."""

    batch_size: int = 50
    synthetic_per_class: int = 200
    encoder_hidden: int = 512
    """Width of each hidden layer of the encoder."""
    encoder_layers: int = 2
    decoder_hidden: int = 1024
    """Width of the decoder's hidden layer."""
    noise_dim: int = 50
    """Width of the latent code."""
    output: str = "linear"
    """What follows the decoder's last layer: ``linear``, ``relu``, or ``sigmoid`` for features in [0, 1]."""
    reconstruction: str = "mean-squared"
    kl_weight: float = 1.0
    lr: float = 1e-3


# 3,530 steps: 25 epochs of CUB's 7,057 rows in batches of 50, as released.
# Mean squared error beside a KL divergence in full leaves nothing to the latent code, so that a class gets one feature,
# about its mean. Calibrated, it takes up every direction of more variance than what it leaves, many of which do not
# carry over to classes without images: a weight of 8 keeps the strongest.
SMALL = CVAESettings(
    steps=1500,
    batch_size=64,
    synthetic_per_class=300,
    encoder_layers=1,
    output="relu",
    reconstruction="calibrated",
    kl_weight=8.0,
)


def build(dataset: GZSLDataset, settings: CVAESettings) -> VAEBackbone:
    """Build an untrained conditional VAE for a dataset; its decoder has one hidden layer."""
    sizes = (settings.noise_dim, dataset.semantic_dim)
    decoder = ConditionalNetwork(sizes, (settings.decoder_hidden,), dataset.feature_dim, settings.output)
    return VAEBackbone(
        decoder,
        noise_dim=settings.noise_dim,
        order="noise, semantics",
        feature_dim=dataset.feature_dim,
        semantic_dim=dataset.semantic_dim,
        encoder_hidden=(settings.encoder_hidden,) * settings.encoder_layers,
        reconstruction=settings.reconstruction,
        kl_weight=settings.kl_weight,
        lr=settings.lr,
        name="cvae",
    )


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``cvae``."""
    register(
        GeneratorSpec(
            name="cvae",
            family="VAE",
            summary="conditional VAE, whose decoder is the generator",
            reference="Mishra et al., A Generative Model for Zero Shot Learning Using Conditional Variational "
            "Autoencoders, CVPR Workshops 2018",
            settings=CVAESettings,
            presets={"paper": CVAESettings(steps=3530), "small": SMALL, "small/digits": replace(SMALL, steps=1000)},
            build=build,
            search=("lr", "kl_weight"),
        )
    )
