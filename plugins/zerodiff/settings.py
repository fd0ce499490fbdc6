"""What ZeroDiff can be set to, and with which presets it comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from d3wrap.errors import ConfigError
from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class ZeroDiffSettings(BackboneSettings):
    """Sizes, rates and switches of ZeroDiff; the defaults are the paper's where the paper has them."""

    hidden: int = 4096
    """Width of the hidden layer of both generators, of the encoder and of the semantic decoder."""
    critic_hidden: int = 4096
    noise_dim: int | None = None
    """Width of the noise z; ``None`` is the width of the semantics, as in the paper."""
    output: Literal["sigmoid", "relu", "linear"] = "sigmoid"
    """What follows the last layer of the feature generator; the paper's features lie in [0, 1]."""
    time_dim: int = 64
    """Width of the embedding of the diffusion's step; even."""
    diffusion_steps: int = 4
    beta_min: float = 0.1
    beta_max: float = 20.0
    sampling: Literal["one-shot", "progressive"] = "one-shot"
    """``one-shot`` predicts x_0 from noise at once, as the released code reports it; ``progressive`` goes through all
    steps of the diffusion."""
    chain_gradient: int | None = None
    """Last steps of ``progressive`` sampling that D³'s gradient passes through; ``None`` is all of them."""
    representation_dim: int = 2048
    """Width of the representations r."""
    head_dim: int = 128
    """Width of the head through which representations are learned."""
    temperature: float = 0.07
    representation_steps: int = 1000
    """Steps of the supervised contrast."""
    representation_batch: int = 128
    representation_lr: float = 5e-4
    representation_generator_steps: int = 6000
    """Iterations of the first generator, from semantics to representations."""
    critic_steps: int = 5
    penalty_weight: float = 10.0
    """λ_gp, at the start."""
    adaptive_penalty: bool = True
    """Whether λ_gp of the second stage follows how well its critics keep to the penalty."""
    adversarial_weight: float = 1.0
    """Weight of the critics' terms, beside which the others count."""
    mutual: Literal["paper", "released", "none"] = "paper"
    """Which form of the mutual learning; see :mod:`d3wrap.plugins.zerodiff.mutual`."""
    mutual_weight: float = 5.0
    gamma: float = 1.5
    """Exponent of the weight that the noise gives the diffusion critic's part of the mutual learning."""
    reconstruction_weight: float = 0.0
    """Weight of reconstruction and KL of a variational encoder that the released code adds; 0 is none."""
    semantic_weight: float = 0.0
    """Weight, for the generator, of a decoder of semantics that the released code adds; 0 is none."""
    decoder_lr: float = 1e-4
    lr: float = 5e-4

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for a setting out of range."""
        for name in ("diffusion_steps", "representation_steps", "representation_generator_steps", "critic_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        if self.chain_gradient is not None and self.chain_gradient < 1:
            raise ConfigError(f"chain_gradient: expected 1 or more, or null for all, found {self.chain_gradient}")
        if not self.temperature > 0:
            raise ConfigError(f"temperature: expected a number above 0, found {self.temperature}")


SMALL = ZeroDiffSettings(
    steps=1200,
    hidden=512,
    critic_hidden=512,
    noise_dim=64,
    representation_dim=512,
    representation_steps=300,
    representation_generator_steps=2000,
    critic_steps=3,
    adaptive_penalty=False,
    adversarial_weight=10.0,
    reconstruction_weight=1.0,
)
PRESETS = {
    # The paper's own objective, for as long as the authors trained on CUB.
    "paper": ZeroDiffSettings(steps=33_300, representation_generator_steps=33_300),
    # From here on the authors' command lines: their objective, VAE and semantic decoder included, for which these
    # weights were chosen. Steps are epochs × ⌈training rows / 64⌉. That of AWA2 is in their repository; those of CUB
    # and SUN, in a public copy of their scripts.
    "paper/AWA2": ZeroDiffSettings(
        steps=110_400,  # 300 × 368
        representation_generator_steps=110_400,
        synthetic_per_class=5400,
        mutual="released",
        mutual_weight=5.0,
        adversarial_weight=10.0,
        reconstruction_weight=1.0,
        semantic_weight=1.0,
    ),
    "paper/CUB": ZeroDiffSettings(
        steps=33_300,  # 300 × 111
        representation_generator_steps=33_300,
        synthetic_per_class=1440,
        mutual="released",
        mutual_weight=2.0,
        adversarial_weight=10.0,
        reconstruction_weight=1.0,
        semantic_weight=0.01,
        lr=1e-4,
    ),
    "paper/SUN": ZeroDiffSettings(
        steps=64_800,  # 400 × 162
        representation_generator_steps=64_800,
        synthetic_per_class=400,
        mutual="released",
        mutual_weight=1.0,
        adversarial_weight=1.0,
        reconstruction_weight=1.0,
        semantic_weight=0.01,
        lr=1e-4,
    ),
    "small": SMALL,
    "small/digits": replace(SMALL, steps=500, representation_generator_steps=500),
}
