"""The settings of CE-GZSL and what the authors used for each dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace

from d3wrap.errors import ConfigError
from d3wrap.specs import BackboneSettings


@dataclass(frozen=True)
class CEGZSLSettings(BackboneSettings):
    """Sizes, weights and rates of CE-GZSL; the defaults are those of the released code."""

    hidden: int = 4096
    """Width of the hidden layer of generator and critic."""
    noise_dim: int | None = None
    """Width of the noise; ``None`` is the width of the semantics."""
    critic_steps: int = 5
    penalty_weight: float = 10.0
    lr: float = 1e-4
    lr_decay: float = 0.99
    """Factor of every learning rate after each ``lr_decay_every`` iterations."""
    lr_decay_every: int | None = None
    """Iterations of the generator from one decay to the next; ``None`` keeps the rates."""
    embedding_dim: int = 2048
    """Width of h, where samples are classified."""
    projection_dim: int = 512
    """Width of the projection z of h whose instances are contrasted."""
    comparator_hidden: int = 2048
    """Width of the hidden layer of the comparator F(h, a)."""
    embedding_steps: int | None = None
    """Steps of the stage that learns h, z and F; ``None`` is one for each step of the critic, as released."""
    embedding_batch_size: int | None = None
    """Real features per step of that stage; ``None`` is ``batch_size``."""
    instance_weight: float = 0.001
    """Weight of the contrast of instances in what the generator minimises."""
    class_weight: float = 0.001
    """Weight of the contrast of classes in what the generator minimises."""
    instance_temperature: float = 0.1
    class_temperature: float = 0.1
    positives_compete: bool = True
    """Whether rows of one class stand in each other's denominators, as released; the paper's equation has none."""

    def __post_init__(self) -> None:
        """Refuse a temperature that divides by nothing."""
        for name in ("instance_temperature", "class_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)}")


# Steps are epochs times ⌈training rows / batch⌉, decays likewise. Weights, widths, rates, epochs and numbers of samples
# are those the authors list for each dataset beside their code, and for CUB the call in its README. The list has no
# batch sizes: FLO's is the code's default, those of AWA and SUN are what others report to have reproduced it with.
PAPER = CEGZSLSettings(  # CUB: 450 epochs of 4 iterations
    steps=1800, batch_size=2048, synthetic_per_class=100, lr_decay_every=400
)
SMALL = CEGZSLSettings(
    steps=3000,
    hidden=512,
    noise_dim=64,
    critic_steps=3,
    lr=4e-4,
    embedding_dim=512,
    projection_dim=128,
    comparator_hidden=256,
    embedding_steps=1000,
    embedding_batch_size=256,
)
PRESETS = {
    "paper": PAPER,
    "paper/AWA1": replace(  # 130 epochs of 5 iterations
        PAPER, steps=650, batch_size=4096, synthetic_per_class=1800, lr_decay_every=250
    ),
    "paper/AWA2": replace(  # 130 epochs of 6 iterations
        PAPER, steps=780, batch_size=4096, synthetic_per_class=2400, lr_decay_every=60
    ),
    "paper/CUB": PAPER,
    "paper/SUN": replace(  # 1,000 epochs of 11 iterations
        PAPER,
        steps=11_000,
        batch_size=1024,
        lr=5e-5,
        lr_decay_every=1100,
        comparator_hidden=1024,
        instance_weight=0.01,
        class_weight=0.01,
    ),
    "paper/FLO": replace(  # 750 epochs of 3 iterations
        PAPER,
        steps=2250,
        synthetic_per_class=600,
        noise_dim=512,
        lr_decay_every=300,
        comparator_hidden=1024,
        instance_weight=0.01,
        class_weight=0.01,
    ),
    "small": SMALL,
    "small/digits": replace(SMALL, steps=1000, embedding_steps=400),
}
"""By name; every ``paper`` is as published, ``small`` is for a CPU."""
