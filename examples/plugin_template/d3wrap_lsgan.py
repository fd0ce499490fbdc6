"""A generator for d3wrap in a package of its own: a conditional least-squares GAN (Mao et al., ICCV 2017).

Copy the folder, rename what is called lsgan, and put your networks and losses in place of these. There is no training
loop and no optimizer here: d3wrap draws the batches, takes the steps, and adds D³ where a phase is ``enhanced``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from d3wrap import Backbone, GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.generator import Phase, RealBatch
from d3wrap.specs import BackboneSettings


# 1. What can be set: `--set hidden=128`. Steps, batch size and synthetic_per_class come with the base class.
@dataclass(frozen=True)
class LSGANSettings(BackboneSettings):
    hidden: int = 256
    """Width of the hidden layer of both networks."""
    noise_dim: int = 32
    critic_steps: int = 1
    lr: float = 2e-4


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


# 2. The generator. It learns from the batches it is given; what it makes follows the dataset's device and dtype.
class LSGAN(Backbone):
    name = "lsgan"

    def __init__(self, dataset: GZSLDataset, settings: LSGANSettings) -> None:
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.options = settings
        self.generator = perceptron(settings.noise_dim + self.semantic_dim, settings.hidden, self.feature_dim)
        self.critic = perceptron(self.feature_dim + self.semantic_dim, settings.hidden, 1)

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """G(z, a) with z ~ N(0, I): one feature for each row. All randomness is drawn from ``rng``."""
        shape = (len(semantics), self.options.noise_dim)
        noise = torch.randn(shape, generator=rng, device=semantics.device, dtype=semantics.dtype)
        return self.generator(torch.cat([noise, semantics], 1))

    def phases(self) -> Sequence[Phase]:
        """What one iteration trains, in this order; D³ adds its gradient to the phase that is enhanced."""
        lr, repeats = self.options.lr, self.options.critic_steps
        return (
            Phase("critic", tuple(self.critic.parameters()), lr=lr, repeats=repeats),
            Phase("generator", tuple(self.generator.parameters()), lr=lr, enhanced=True),
        )

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """The terms whose sum a phase minimises: D learns 1 for real and 0 for generated, G makes D say 1."""
        if phase == "generator":
            generated = self.generate(batch.semantics, rng=rng)
            return {"adversarial": 0.5 * (self.score(generated, batch) - 1).square().mean()}
        with torch.no_grad():
            generated = self.generate(batch.semantics, rng=rng)
        return {
            "real": 0.5 * (self.score(batch.features, batch) - 1).square().mean(),
            "generated": 0.5 * self.score(generated, batch).square().mean(),
        }

    def score(self, features: Tensor, batch: RealBatch) -> Tensor:
        return self.critic(torch.cat([features, batch.semantics], 1))


# 3. The registration, under the name that `--generator` takes. setup.cfg names this module.
@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    register(
        GeneratorSpec(
            name="lsgan",
            family="GAN",
            summary="a conditional least-squares GAN",
            reference="Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017",
            settings=LSGANSettings,
            presets={"small": LSGANSettings(steps=2000), "large": LSGANSettings(steps=6000, hidden=2048)},
            build=LSGAN,
        )
    )
