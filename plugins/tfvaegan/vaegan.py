"""The VAE and WGAN-GP with one generator that f-VAEGAN-D2 and TF-VAEGAN share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from d3wrap import Backbone, GZSLDataset
from d3wrap.adapters.critic import Critic
from d3wrap.adapters.encoder import Encoder, kl, reconstruction, sample
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.adapters.penalty import AdaptivePenalty
from d3wrap.generator import Phase, RealBatch
from d3wrap.plugins.tfvaegan.settings import VAEGANSettings

Pass = Callable[[Tensor, Tensor], Tensor]
"""From noise and semantics to features."""


class VAEGANBackbone(Backbone):
    """f-VAEGAN-D2 without its unconditional critic (Xian et al., CVPR 2019), as TF-VAEGAN's release trains it.

    Encoder (μ, log σ²) = E(x, a), generator x' = G(z, a), critic D(x, a). Phase ``critic``, ``critic_steps`` times:
    γ (E[D(x', a)] − E[D(x, a)] + λ E[(‖∇D‖ − 1)²]). Phase ``generator``, which also trains E:
    BCE(x', x) + KL(N(μ, σ²) ‖ N(0, I)) − γ E[D(x', a)]. In both z = μ + σ ε, or ε ~ N(0, I) if not ``encoded_noise``;
    the first BCE is always of the former.
    """

    settings: VAEGANSettings

    def __init__(self, name: str, dataset: GZSLDataset, settings: VAEGANSettings) -> None:
        super().__init__()
        self.name, self.settings = name, settings
        self.feature_dim, self.semantic_dim = d, k = dataset.feature_dim, dataset.semantic_dim
        self.noise_dim = settings.noise_dim or k
        self.encoder = Encoder(d, k, [settings.hidden, 2 * self.noise_dim], self.noise_dim)
        self.generator = ConditionalNetwork([self.noise_dim, k], [settings.hidden], d, settings.output)
        self.critic = Critic(d, k, settings.hidden)
        self.penalty = AdaptivePenalty(settings.penalty_weight, every=settings.critic_steps)

    def phases(self) -> Sequence[Phase]:
        """Return ``critic_steps`` critic steps, and one step of encoder and generator."""
        lr, both = self.settings.lr, (*self.encoder.parameters(), *self.generator.parameters())
        return (
            Phase("critic", tuple(self.critic.parameters()), lr=lr, repeats=self.settings.critic_steps),
            Phase("generator", both, lr=lr, enhanced=True),
        )

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of ``critic`` or ``generator``; see the class for the equations."""
        if phase == "critic":
            return self.critic_terms(batch, self.generator, rng)
        return self.generator_terms(batch, self.generator, rng)

    def critic_terms(self, batch: RealBatch, one_pass: Pass, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what the critic minimises on real features and those of ``one_pass``."""
        weight, semantics = self.settings.critic_weight, batch.semantics
        with torch.no_grad():
            noise = self._encode_noise(batch, rng)[0] if self.settings.encoded_noise else self.draw(semantics, rng)
            generated = one_pass(noise, semantics)
        on_real, on_generated, penalty = self.critic.compare(batch.features, generated, semantics, rng)
        return {
            "wasserstein": weight * (on_generated.mean() - on_real.mean()),
            "penalty": weight * self.penalty(penalty),
        }

    def generator_terms(self, batch: RealBatch, one_pass: Pass, rng: torch.Generator) -> dict[str, Tensor]:
        """Return what encoder and generator minimise on the features of ``one_pass``."""
        noise, mean, log_variance = self._encode_noise(batch, rng)
        rebuilt = one_pass(noise, batch.semantics)
        encoded = self.settings.encoded_noise
        generated = rebuilt if encoded else one_pass(self.draw(batch.semantics, rng), batch.semantics)
        return {
            "reconstruction": reconstruction(rebuilt, batch.features, self.settings.output),
            "kl": kl(mean, log_variance),
            "adversarial": -self.settings.adversarial_weight * self.critic(generated, batch.semantics).mean(),
            **self.semantic_terms(batch, generated),
        }

    def semantic_terms(self, batch: RealBatch, generated: Tensor) -> dict[str, Tensor]:
        """Return what the generator minimises on generated features besides; here nothing."""
        return {}

    def draw(self, semantics: Tensor, rng: torch.Generator | None) -> Tensor:
        """Draw noise ``[n, noise_dim]`` from N(0, I) for each row of ``semantics``."""
        rows = semantics.shape[0]
        return torch.randn(rows, self.noise_dim, generator=rng, device=semantics.device, dtype=semantics.dtype)

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self.generator(self.draw(semantics, rng), semantics)

    def _encode_noise(self, batch: RealBatch, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(batch.features, batch.semantics)
        return sample(mean, log_variance, rng), mean, log_variance
