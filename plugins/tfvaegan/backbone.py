"""The VAE-GAN with a semantic decoder and the feedback loop from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap import GZSLDataset
from d3wrap.adapters.critic import SLOPE, initialise
from d3wrap.adapters.decoder import SemanticDecoder, semantic_distance
from d3wrap.generator import Phase, RealBatch, Stage
from d3wrap.plugins.tfvaegan.settings import TFVAEGANSettings
from d3wrap.plugins.tfvaegan.vaegan import VAEGANBackbone


class Feedback(nn.Module):
    """F(h) = φ(W₂ φ(W₁h + b₁) + b₂), φ = LeakyReLU, from the decoder's hidden layer to one like the generator's.

    Adam's steps have the size of its learning rate whatever the scale of the gradient. So weights kept divided by
    ``rate``, and multiplied by it where they are used, learn at ``rate`` times the learning rate of their phase.
    """

    def __init__(self, decoder_hidden: int, hidden: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.first, self.second = nn.Linear(decoder_hidden, hidden), nn.Linear(hidden, hidden)
        initialise(self)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.div_(rate)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return what is added to the generator's hidden layer."""
        for layer in (self.first, self.second):
            hidden = F.leaky_relu(self.rate * layer(hidden), SLOPE)
        return hidden


class TFVAEGANBackbone(VAEGANBackbone):
    """A VAE-GAN with a semantic decoder, and with a feedback loop from it (Narayan et al., ECCV 2020).

    Decoder (h, â) = Dec(x) of real features, learned in a stage and then fixed. Second pass: G's hidden layer g(z, a)
    becomes g(z, a) + δ F(h), h the decoder's hidden layer on the first pass's features, without a gradient.
    Phases ``critic`` and ``generator`` train on the first pass as :class:`VAEGANBackbone`, and then
    ``feedback_critic`` and ``feedback``, which trains F too, on the second. Both generator phases have the term
    ``semantic``: the distance of â from a/‖a‖. The classifier's space is [x, h, â].

    The release differs. Its decoder learns all along, from real features and, but on AWA2, from generated ones too.
    Its passes take turns by epoch, with one Adam for both, and its encoder's has β₁ 0.9. Without encoded noise it
    feeds back what is read from the rebuilt features, here from the first pass of the same noise.
    """

    settings: TFVAEGANSettings

    def __init__(self, name: str, dataset: GZSLDataset, settings: TFVAEGANSettings) -> None:
        super().__init__(name, dataset, settings)
        self.decoder = SemanticDecoder(self.feature_dim, settings.decoder_hidden, self.semantic_dim)
        if settings.feedback:
            rate = settings.feedback_lr / settings.lr
            self.feedback = Feedback(settings.decoder_hidden, settings.hidden, rate)

    def stages(self) -> Sequence[Stage]:
        """Return the training of the decoder."""
        phase = Phase("decoder", tuple(self.decoder.parameters()), lr=self.settings.decoder_lr)
        return (Stage("decoder", self.settings.decoder_steps, (phase,)),)

    def phases(self) -> Sequence[Phase]:
        """Return steps of critic and generator, and with feedback the same again on the second pass."""
        critic, generator = super().phases()
        if not self.settings.feedback:
            return critic, generator
        both = (*generator.parameters, *self.feedback.parameters())
        again = replace(critic, name="feedback_critic"), replace(generator, name="feedback", parameters=both)
        return critic, replace(generator, enhanced=False), *again

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of a phase; see the class."""
        if phase == "decoder":
            return {"semantic": self._distance(batch.features, batch.semantics)}
        if phase == "feedback_critic":
            return self.critic_terms(batch, self.second_pass, rng)
        if phase == "feedback":
            return self.generator_terms(batch, self.second_pass, rng)
        return super().losses(phase, batch, rng)

    def semantic_terms(self, batch: RealBatch, generated: Tensor) -> dict[str, Tensor]:
        """Return the weighted distance of the semantics read from generated features."""
        weight = self.settings.semantic_weight
        return {"semantic": weight * self._distance(generated, batch.semantics)} if weight else {}

    def _distance(self, features: Tensor, semantics: Tensor) -> Tensor:
        return semantic_distance(self.decoder(features), F.normalize(semantics, dim=1))

    def second_pass(self, noise: Tensor, semantics: Tensor, strength: float | None = None) -> Tensor:
        """Generate features, and once more with the feedback from them: ``[n, z]``, ``[n, k]`` → ``[n, d]``."""
        strength = self.settings.feedback_strength if strength is None else strength
        hidden = self.generator.hidden_layers(noise, semantics)
        with torch.no_grad():
            read = self.decoder.hidden_layers(self.generator.finish(hidden))
        return self.generator.finish(hidden + strength * self.feedback(read))

    def generate_features(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row, with feedback after the feedback: ``[n, k]`` → ``[n, d]``."""
        noise = self.draw(semantics, rng)
        if not self.settings.feedback:
            return self.generator(noise, semantics)
        return self.second_pass(noise, semantics, self.settings.synthesis_strength)

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one sample [x̃, h, â] for each row: ``[n, k]`` → ``[n, d + decoder_hidden + k]``."""
        return self.encode(self.generate_features(semantics, rng=rng))

    def encode(self, features: Tensor) -> Tensor:
        """Return [x, h, â], ``[n, d]`` → ``[n, d + decoder_hidden + k]``."""
        return torch.cat([features, *self.decoder.read(features)], 1)
