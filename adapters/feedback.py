"""Train any generator that looks at its own features once more, as a Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap import hookimpl
from d3wrap.adapters import gan
from d3wrap.adapters.decoder import semantic_distance
from d3wrap.adapters.gan import GANAdapter, GANBackbone, check_options
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.evaluation.modes import evaluating
from d3wrap.generator import Phase, RealBatch, Stage
from d3wrap.seeds import initialising, stream
from d3wrap.specs import AdapterSpec

Refine = Callable[[nn.Module, Tensor, Tensor, Tensor], object]
"""``refine(network, noise, semantics, first)`` gives the features of the second pass, from those of the first."""


class FeedbackBackbone(GANBackbone):
    """x' = G(z, a), then x̃ = refine(G, z, a, x'), as in TF-VAEGAN (Narayan et al., ECCV 2020), trained as a WGAN-GP.

    One iteration trains critic and generator on x' and then, as phases ``feedback_critic`` and ``feedback``, the same
    critic, and the generator with the parameters of ``feedback``, on x̃, with the terms of
    :class:`~d3wrap.adapters.gan.GANBackbone`. ``generate`` gives x̃. A ``decoder``, features ``[n, d]`` → semantics
    ``[n, k]``, first learns for ``decoder_steps`` steps from real features, and then stays as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        refine: Refine,
        feedback: nn.Module,
        decoder: nn.Module | None = None,
        decoder_steps: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        self.refine, self.feedback, self.decoder, self.decoder_steps = refine, feedback, decoder, decoder_steps

    def try_out(self, dataset: GZSLDataset) -> None:
        """Call both passes once; raises ``ShapeError``, and ``ConfigError`` where the second uses no ``feedback``."""
        super().try_out(dataset)
        semantics = dataset.semantics[:2].to(next(self.generator.parameters(), dataset.semantics))
        try:
            with evaluating(self), initialising(0, "probe"), torch.enable_grad():
                features = self.generate(semantics, rng=stream(0, "probe", semantics.device))
        except (RuntimeError, TypeError, ValueError) as error:
            raise ShapeError(
                f"refine= fails on features [2, {dataset.feature_dim}] and semantics [2, {dataset.semantic_dim}]: "
                f"{error}. Give networks of the widths that it passes from one to the other"
            ) from error
        if features.shape[1] != dataset.feature_dim:
            raise ShapeError(
                f"refine= gives features of width {features.shape[1]}, dataset {dataset.name!r} has width "
                f"{dataset.feature_dim}: give one that returns what the network generates"
            )
        parameters = trained(self.feedback) if features.requires_grad else ()
        if not parameters or not any(_reached(features, parameters)):
            raise ConfigError(
                f"no trainable parameter of feedback={type(self.feedback).__name__} takes part in refine=: give the "
                "module whose output it feeds back, neither frozen nor detached"
            )

    def stages(self) -> Sequence[Stage]:
        """Return the training of the decoder, where it is asked for."""
        if self.decoder is None or not self.decoder_steps:
            return ()
        return (Stage("decoder", self.decoder_steps, (Phase("decoder", trained(self.decoder), lr=self.lr),)),)

    def phases(self) -> Sequence[Phase]:
        """Return critic and generator steps on the first pass, and then on the second."""
        critic, generator = super().phases()
        both = trained(self.generator, self.feedback)
        return (
            critic,
            replace(generator, enhanced=False),
            replace(critic, name="feedback_critic"),
            replace(generator, name="feedback", parameters=both),
        )

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of a phase; see the class."""
        if phase == "decoder" and self.decoder is not None:
            return {"semantic": semantic_distance(self.decoder(batch.features), batch.semantics)}
        sample = self.generate if phase.startswith("feedback") else self.generator.generate
        if phase.endswith("critic"):
            with torch.no_grad():
                generated = sample(batch.semantics, rng=rng)
            return self.critic_terms(batch, generated, rng)
        return self.generator_terms(batch, sample(batch.semantics, rng=rng))

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row after the feedback: ``[n, k]`` → ``[n, d]``."""
        noise = self.generator.draw(semantics, rng)
        first = self.generator(noise, semantics)
        return self.generator.checked(self.refine(self.generator.network, noise, semantics, first), semantics)


def trained(*networks: nn.Module) -> tuple[nn.Parameter, ...]:
    """Return the parameters of the networks that are not frozen, each once."""
    return tuple(dict.fromkeys(p for network in networks for p in network.parameters() if p.requires_grad))


def _reached(features: Tensor, parameters: Sequence[nn.Parameter]) -> list[bool]:
    gradients = torch.autograd.grad(features.sum(), parameters, allow_unused=True)
    return [gradient is not None for gradient in gradients]


def adapt_network(
    network: nn.Module,
    *,
    refine: Refine,
    feedback: nn.Module,
    decoder: nn.Module | None = None,
    decoder_steps: int = 0,
    **options: Any,
) -> GANAdapter:
    """Adapt a network and its feedback module; the other ``options`` are those of the adapter ``gan``.

    Raises :class:`~d3wrap.errors.ConfigError` for an unknown option, and where ``order`` or ``call`` is needed.
    """
    own = {"refine": refine, "feedback": feedback, "decoder": decoder, "decoder_steps": decoder_steps}
    check_options("feedback", options, own)
    plain = gan.adapt_network(network, **options)
    return replace(plain, options={**plain.options, **own}, backbone=FeedbackBackbone)


@hookimpl
def register_adapters(register: Callable[[AdapterSpec], None]) -> None:
    """Register the adapter ``feedback``."""
    register(
        AdapterSpec(
            name="feedback",
            summary="a network that refines its features by a feedback module, trained as a WGAN-GP",
            # Any network could be one: it is taken where its feedback module is given.
            accepts=lambda network: False,
            build=adapt_network,
        )
    )
