"""ZeroDiff as a backbone: representations, their generator, and the generator of features, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from d3wrap import GZSLDataset
from d3wrap.adapters.decoder import semantic_distance
from d3wrap.generator import Backbone, Phase, RealBatch, Stage
from d3wrap.plugins.zerodiff.dfg import FeatureGenerator
from d3wrap.plugins.zerodiff.drg import RepresentationGenerator
from d3wrap.plugins.zerodiff.representation import Representation
from d3wrap.plugins.zerodiff.settings import ZeroDiffSettings


class ZeroDiffBackbone(Backbone):
    """ZeroDiff (Ye et al., ICLR 2025): classes are told apart on [v, r], a feature beside its representation.

    Two stages come first and then stay as they are: the representation R, and DRG, which generates r̃_0 from semantics.
    The iterations train DFG, which learns with real r_0 and generates with r̃_0. They are the enhanced ones, so that
    D³'s gradient reaches DFG alone: r̃_0 carries none.
    """

    settings: ZeroDiffSettings

    def __init__(self, dataset: GZSLDataset, settings: ZeroDiffSettings) -> None:
        super().__init__()
        self.name, self.settings = "zerodiff", settings
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        noise_dim, dtype = settings.noise_dim or dataset.semantic_dim, dataset.features.dtype
        self.representation = Representation(self.feature_dim, settings.representation_dim, settings.head_dim)
        self.drg = RepresentationGenerator(self.semantic_dim, noise_dim, self.representation, settings, dtype)
        self.dfg = FeatureGenerator(self.feature_dim, self.semantic_dim, noise_dim, settings, dtype)

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Give representations the length that features have."""
        self.representation.fit_scale(dataset.train_features)

    def stages(self) -> Sequence[Stage]:
        """Return the training of the representation, and of its generator."""
        s = self.settings
        contrast = Phase("representation", tuple(self.representation.parameters()), lr=s.representation_lr)
        critic = Phase("drg_critic", tuple(self.drg.critics.parameters()), lr=s.lr, repeats=s.critic_steps)
        generator = Phase("drg_generator", tuple(self.drg.denoiser.parameters()), lr=s.lr)
        return (
            Stage("representation", s.representation_steps, (contrast,), s.representation_batch),
            Stage("representation generator", s.representation_generator_steps, (critic, generator)),
        )

    def phases(self) -> Sequence[Phase]:
        """Return the steps of DFG's critics, of the semantic decoder if there is one, and of DFG."""
        s, dfg = self.settings, self.dfg
        critic = Phase("critic", tuple(dfg.critics.parameters()), lr=s.lr, repeats=s.critic_steps)
        generator = Phase("generator", dfg.trained(), lr=s.lr, enhanced=True)
        if dfg.decoder is None:
            return (critic, generator)
        decoder = Phase("decoder", tuple(dfg.decoder.parameters()), lr=s.decoder_lr, repeats=s.critic_steps)
        return (critic, decoder, generator)

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of a phase; the equations are with the networks."""
        if phase == "representation":
            return {"contrast": self.representation.contrast(batch.features, batch.labels, self.settings.temperature)}
        if phase == "decoder" and self.dfg.decoder is not None:
            return {"semantic": semantic_distance(self.dfg.decoder(batch.features), batch.semantics)}
        with torch.no_grad():
            real = self.representation(batch.features)
        if phase.startswith("drg"):
            terms = self.drg.critic_terms if phase == "drg_critic" else self.drg.generator_terms
            return terms(real, batch.semantics, rng)
        both = self.dfg.critic_terms if phase == "critic" else self.dfg.generator_terms
        return both(batch.features, real, batch.semantics, rng)

    def encode(self, features: Tensor) -> Tensor:
        """Return [v, R(v)], ``[n, d]`` → ``[n, d + m]``."""
        return torch.cat([features, self.representation(features)], 1)

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate [ṽ_0, r̃_0] for each row, ``[n, k]`` → ``[n, d + m]``."""
        with torch.no_grad():
            representation = self.drg.generate(semantics, rng)
        return torch.cat([self.dfg.generate(semantics, representation, rng), representation], 1)

    def generate_features(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate ṽ_0 alone, ``[n, k]`` → ``[n, d]``."""
        return self.generate(semantics, rng=rng)[:, : self.feature_dim]
