"""A denoising diffusion GAN over features (after Xiao, Kreis, Vahdat, ICLR 2022, and ZeroDiff, ICLR 2025)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.diffusion import DiffusionGANBackbone
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.adapters.schedule import TimeEmbedding
from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class DDGANSettings(BackboneSettings):
    """Sizes and rates; the defaults are those of the first stage of the released ZeroDiff.

    That stage is a denoising diffusion GAN with the semantics as its only condition.
    """

    hidden: int = 4096
    """Width of the hidden layer of denoiser and critics."""
    noise_dim: int | None = None
    """Width of the noise z; ``None`` is the width of the semantics."""
    time_dim: int = 64
    """Width of the embedding of the step, an even number."""
    diffusion_steps: int = 4
    """Steps T of the diffusion."""
    beta_min: float = 0.1
    beta_max: float = 20.0
    spread: float | None = None
    """Spread of the centred features beside the noise of N(0, I); ``None`` diffuses features as they are."""
    shared_noise: bool = False
    """Draw real and generated x_t with the same noise: the same losses with less variance."""
    start_weight: float = 1.0
    """Weight of the critic that compares predictions of x_0 with x_0; 0 is without it, as in Xiao et al."""
    chain_gradient: int | None = None
    """Number of last steps of the chain that the gradient of generated features flows through; ``None`` is all."""
    output: str = "sigmoid"
    """What ends the denoiser, ``sigmoid`` or ``relu``: both predict features; ``linear`` predicts them centred."""
    critic_steps: int = 5
    penalty_weight: float = 10.0
    classification_weight: float = 0.0
    lr: float = 5e-4


class Denoiser(nn.Module):
    """x̃_0 = out(W₂ LeakyReLU(W₁[x_{t+1}; e(t); z; a] + b₁) + b₂), e a table of sinusoids; ``[n, ·]`` → ``[n, d]``."""

    def __init__(self, dataset: GZSLDataset, noise_dim: int, settings: DDGANSettings) -> None:
        super().__init__()
        self.time = TimeEmbedding(settings.diffusion_steps, settings.time_dim)
        widths = (dataset.feature_dim, settings.time_dim, noise_dim, dataset.semantic_dim)
        self.network = ConditionalNetwork(widths, (settings.hidden,), dataset.feature_dim, settings.output)

    def forward(self, state: Tensor, step: Tensor, noise: Tensor, semantics: Tensor) -> Tensor:
        """Predict x_0 from x_{t+1}, the step t, noise and semantics."""
        return self.network(state, self.time(step), noise, semantics)


def build(dataset: GZSLDataset, settings: DDGANSettings) -> DiffusionGANBackbone:
    """Build an untrained denoising diffusion GAN for a dataset."""
    noise_dim = settings.noise_dim or dataset.semantic_dim
    return DiffusionGANBackbone(
        Denoiser(dataset, noise_dim, settings),
        noise_dim=noise_dim,
        gives="centred" if settings.output == "linear" else "features",
        feature_dim=dataset.feature_dim,
        semantic_dim=dataset.semantic_dim,
        num_classes=dataset.num_classes,
        steps=settings.diffusion_steps,
        beta_min=settings.beta_min,
        beta_max=settings.beta_max,
        spread=settings.spread,
        shared_noise=settings.shared_noise,
        start_weight=settings.start_weight,
        chain_gradient=settings.chain_gradient,
        time_dim=settings.time_dim,
        critic_hidden=settings.hidden,
        critic_steps=settings.critic_steps,
        penalty_weight=settings.penalty_weight,
        classification_weight=settings.classification_weight,
        lr=settings.lr,
        name="ddgan",
    )


# 300 epochs of 6,000 rows in batches of 64.
PAPER = DDGANSettings(steps=28_200, synthetic_per_class=300)
SMALL = DDGANSettings(
    steps=2000,
    hidden=512,
    noise_dim=64,
    spread=1.0,
    shared_noise=True,
    start_weight=0.0,
    output="relu",
    critic_steps=3,
    classification_weight=0.01,
    lr=4e-4,
)
PRESETS = {
    "paper": PAPER,
    # The only dataset its release has a script for: 300 epochs of 23,527 rows in batches of 64.
    "paper/AWA2": replace(PAPER, steps=110_400, synthetic_per_class=1800),
    "small": SMALL,
    "small/digits": replace(SMALL, steps=1500, hidden=256, start_weight=1.0),
}


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``ddgan``."""
    register(
        GeneratorSpec(
            name="ddgan",
            family="diffusion",
            summary="a denoising diffusion GAN: a few large denoising steps, each learned against a critic",
            reference="Xiao et al., Tackling the Generative Learning Trilemma with Denoising Diffusion GANs, ICLR 2022",
            settings=DDGANSettings,
            presets=PRESETS,
            build=build,
            search=("lr",),
        )
    )
