"""ZeroDiff's second stage: features generated from semantics and a representation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d3wrap.adapters.decoder import SemanticDecoder, semantic_distance
from d3wrap.adapters.encoder import Encoder, kl, reconstruction, sample
from d3wrap.plugins.zerodiff.critics import Critics, View
from d3wrap.plugins.zerodiff.denoiser import Denoiser, Diffused
from d3wrap.plugins.zerodiff.mutual import Estimates, paper_mutual, released_mutual
from d3wrap.plugins.zerodiff.settings import ZeroDiffSettings


class FeatureGenerator(nn.Module):
    """ṽ_0 = DFG(a, r_0, t, v_{t+1}, z), under D_adv(v_0, a), D_diff(v_t, v_{t+1}, r_0, a, t) and D_rep(v_0, r_0).

    The critics lose λ_mu L_mu where their estimates differ. The paper writes min over G, max over D of L_adv + L_diff +
    L_rep − λ_mu L_mu, by which G would drive the critics apart: as in the released code, L_mu is the critics' alone.
    With ``reconstruction_weight``, z comes in training from a variational encoder E(v, a), as in the released code.
    """

    def __init__(
        self, feature_dim: int, semantic_dim: int, noise_dim: int, settings: ZeroDiffSettings, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.settings = settings
        dim, time = settings.representation_dim, settings.time_dim
        self.denoiser = Denoiser(
            feature_dim, semantic_dim + dim, noise_dim, settings, output=settings.output, dtype=dtype
        )
        self.critics = Critics(
            feature_dim,
            {
                "adversarial": [semantic_dim],
                "diffusion": [feature_dim, dim, semantic_dim, time],
                "representation": [dim],
            },
            settings.critic_hidden,
            settings.penalty_weight,
            adapt_every=settings.critic_steps if settings.adaptive_penalty else 0,
        )
        self.encoder: Encoder | None = None
        self.decoder: SemanticDecoder | None = None
        if settings.reconstruction_weight:
            self.encoder = Encoder(feature_dim, semantic_dim, settings.hidden, noise_dim)
        if settings.semantic_weight:
            self.decoder = SemanticDecoder(feature_dim, settings.hidden, semantic_dim)

    def trained(self) -> tuple[nn.Parameter, ...]:
        """Return the parameters that the generator's phase trains."""
        encoder = () if self.encoder is None else tuple(self.encoder.parameters())
        return (*self.denoiser.parameters(), *encoder)

    def critic_terms(
        self, real: Tensor, representation: Tensor, semantics: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Return what the critics minimise on features ``[n, d]``, their r ``[n, m]`` and semantics ``[n, k]``."""
        with torch.no_grad():
            drawn, _ = self._draw(real, representation, semantics, rng)
        terms, scores = self.critics.compare(self._views(real, representation, semantics, drawn), rng)
        terms = {name: self.settings.adversarial_weight * value for name, value in terms.items()}
        if self.settings.mutual != "none":
            terms["mutual"] = self.settings.mutual_weight * self._mutual(Estimates(**scores), drawn.step)
        return terms

    def generator_terms(
        self, real: Tensor, representation: Tensor, semantics: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Return what the generator minimises, with the same shapes."""
        settings = self.settings
        drawn, moments = self._draw(real, representation, semantics, rng)
        judged = self.critics.judge(self._views(real, representation, semantics, drawn))
        terms = {name: settings.adversarial_weight * value for name, value in judged.items()}
        if moments is not None:
            rebuilt = reconstruction(drawn.clean, real, settings.output)
            terms["reconstruction"] = settings.reconstruction_weight * rebuilt
            terms["kl"] = settings.reconstruction_weight * kl(*moments)
        if self.decoder is not None:
            terms["semantic"] = settings.semantic_weight * semantic_distance(self.decoder(drawn.clean), semantics)
        return terms

    def generate(self, semantics: Tensor, representation: Tensor, rng: torch.Generator | None) -> Tensor:
        """Generate one feature for each row, ``[n, k]`` and ``[n, m]`` → ``[n, d]``, differentiable."""
        return self.denoiser.sample(torch.cat([semantics, representation], 1), rng)

    def _draw(
        self, real: Tensor, representation: Tensor, semantics: Tensor, rng: torch.Generator
    ) -> tuple[Diffused, tuple[Tensor, Tensor] | None]:
        """Generate from noised features; with the encoder's moments, where there is one, of whose z is drawn."""
        moments = None if self.encoder is None else self.encoder(real, semantics)
        z = None if moments is None else sample(moments[0], moments[1], rng)
        return self.denoiser.diffuse(real, torch.cat([semantics, representation], 1), rng, z), moments

    def _views(self, real: Tensor, representation: Tensor, semantics: Tensor, drawn: Diffused) -> dict[str, View]:
        time = self.denoiser.network.embedding(drawn.step)
        return {
            "adversarial": View(real, drawn.clean, [semantics]),
            "diffusion": View(drawn.real, drawn.generated, [drawn.noisier, representation, semantics, time]),
            "representation": View(real, drawn.clean, [representation]),
        }

    def _mutual(self, estimates: Estimates, step: Tensor) -> Tensor:
        schedule = self.denoiser.schedule
        if self.settings.mutual == "paper":
            return paper_mutual(estimates, step, schedule.kappa[1:], self.settings.gamma)
        return released_mutual(estimates, schedule.signal[step], self.settings.gamma)
