"""Settings of TF-VAEGAN and f-VAEGAN-D2, and their presets."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class VAEGANSettings(BackboneSettings):
    """Sizes, weights and rates; the defaults are those of TF-VAEGAN's release for CUB."""

    hidden: int = 4096
    """Width of the hidden layer of encoder, generator and critic."""
    noise_dim: int | None = None
    """Width of the latent code; ``None`` is the width of the semantics."""
    output: str = "sigmoid"
    """What follows the generator's last layer: ``sigmoid``, for features in [0, 1], ``relu`` or ``linear``."""
    critic_steps: int = 5
    critic_weight: float = 10.0
    """Weight of the critic's loss (γ)."""
    adversarial_weight: float = 10.0
    """Weight of the critic's score in the generator's loss (γ), whose VAE terms have weight one."""
    penalty_weight: float = 10.0
    """Initial weight of the gradient penalty (λ), which then follows the penalty."""
    encoded_noise: bool = True
    """Whether the critic judges features from encoded noise, E(x, a), rather than from N(0, I)."""
    lr: float = 1e-4


@dataclass(frozen=True)
class TFVAEGANSettings(VAEGANSettings):
    """What TF-VAEGAN adds; the defaults are those of its release for CUB."""

    decoder: bool = True
    """Whether there is a semantic decoder, and with it the classifier's space [x, h, â]."""
    feedback: bool = True
    """Whether features are generated in two passes, the second fed back by the decoder."""
    decoder_hidden: int = 4096
    """Width of the decoder's hidden layer h."""
    decoder_steps: int = 10_000
    """Steps of the stage that trains the decoder on real features."""
    decoder_lr: float = 1e-4
    semantic_weight: float = 0.01
    """Weight of the distance of the semantics read from generated features."""
    feedback_lr: float = 1e-5
    feedback_strength: float = 1.0
    """δ, what the feedback is multiplied by in training."""
    synthesis_strength: float | None = None
    """δ where features are generated for D³ and the classifiers; ``None`` is that of training."""


# The generic one is the release's for CUB; decoder_steps is ours, for the release has no such stage.
# Steps: its epochs × the rows of trainval / 64, each of an update without and one with feedback as here.
PAPER = TFVAEGANSettings(steps=33_300)
SMALL = replace(
    PAPER,
    steps=1500,
    hidden=512,
    noise_dim=64,
    critic_steps=1,
    lr=4e-4,
    feedback_lr=4e-4,
    decoder_hidden=512,
    decoder_steps=1500,
    decoder_lr=4e-4,
)
PRESETS = {
    "paper": PAPER,
    "paper/AWA2": replace(
        PAPER,
        steps=44_160,
        lr=1e-5,
        feedback_lr=1e-4,
        semantic_weight=0.1,
        feedback_strength=0.01,
        synthetic_per_class=1800,
    ),
    "paper/CUB": PAPER,
    "paper/FLO": replace(
        PAPER, steps=44_000, encoded_noise=False, feedback_strength=0.5, synthetic_per_class=1200
    ),
    "paper/SUN": replace(
        PAPER,
        steps=64_800,
        lr=1e-3,
        critic_weight=1.0,
        adversarial_weight=1.0,
        feedback_lr=1e-4,
        feedback_strength=0.1,
        synthesis_strength=0.01,
        synthetic_per_class=400,
    ),
    "small": SMALL,
    "small/digits": replace(SMALL, steps=500, decoder_steps=500),
}  # fmt: skip


def plain(settings: TFVAEGANSettings) -> VAEGANSettings:
    """Return what of the settings is f-VAEGAN-D2's."""
    return VAEGANSettings(**{field.name: getattr(settings, field.name) for field in fields(VAEGANSettings)})


# Its authors released no code; these are what TF-VAEGAN's release is without decoder and feedback.
PLAIN_PRESETS = {name: plain(settings) for name, settings in PRESETS.items()}
# The small one's iteration takes half the time, having one pass.
PLAIN_PRESETS["small"] = replace(PLAIN_PRESETS["small"], steps=3000, critic_steps=2)
PLAIN_PRESETS["small/digits"] = replace(PLAIN_PRESETS["small"], steps=1000)
