"""ZeroDiff's first stage: representations generated from semantics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d3wrap.plugins.zerodiff.critics import Critics, View
from d3wrap.plugins.zerodiff.denoiser import Denoiser
from d3wrap.plugins.zerodiff.representation import Representation
from d3wrap.plugins.zerodiff.settings import ZeroDiffSettings


class RepresentationGenerator(nn.Module):
    """r̃_0 = DRG(a, t, r_{t+1}, z), with critics D(r_0, a) and D(r_t; r_{t+1}, a, t): a denoising diffusion GAN.

    What it generates has the length of a real representation and no negative number. The released code trains it on r_t
    in place of r_{t+1}, which its authors note there as a mistake that helps: it is not kept here. As in that code,
    the weight of its penalty is fixed.
    """

    def __init__(
        self,
        semantic_dim: int,
        noise_dim: int,
        representation: Representation,
        settings: ZeroDiffSettings,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        dim = settings.representation_dim
        self.denoiser = Denoiser(
            dim, semantic_dim, noise_dim, settings, output="linear", dtype=dtype, finish=representation.on_sphere
        )
        self.critics = Critics(
            dim,
            {"adversarial": [semantic_dim], "diffusion": [dim, semantic_dim, settings.time_dim]},
            settings.critic_hidden,
            settings.penalty_weight,
            adapt_every=0,
        )

    def critic_terms(self, real: Tensor, semantics: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what the critics minimise on real representations ``[n, m]`` of classes with ``semantics [n, k]``."""
        with torch.no_grad():
            views = self._views(real, semantics, rng)
        return self.critics.compare(views, rng)[0]

    def generator_terms(self, real: Tensor, semantics: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what the generator minimises."""
        return self.critics.judge(self._views(real, semantics, rng))

    def generate(self, semantics: Tensor, rng: torch.Generator | None) -> Tensor:
        """Generate one representation for each row, ``[n, k]`` → ``[n, m]``."""
        return self.denoiser.sample(semantics, rng)

    def _views(self, real: Tensor, semantics: Tensor, rng: torch.Generator) -> dict[str, View]:
        drawn = self.denoiser.diffuse(real, semantics, rng)
        time = self.denoiser.network.embedding(drawn.step)
        return {
            "adversarial": View(real, drawn.clean, [semantics]),
            "diffusion": View(drawn.real, drawn.generated, [drawn.noisier, semantics, time]),
        }
