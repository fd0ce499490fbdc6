"""Train any conditional invertible network by maximum likelihood, and generate by its inverse."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap import hookimpl
from d3wrap.adapters.flow_trial import try_out
from d3wrap.adapters.invertible import Forward, Inverse, InvertibleNetwork, is_freia
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.generator import LIKELIHOOD_SHARE, Backbone, Phase, RealBatch
from d3wrap.specs import AdapterSpec

Condition = Callable[[Tensor], Tensor]
"""Turns semantics ``[n, k]`` into what the network is conditioned on, ``[n, c]``."""


class FlowBackbone(Backbone):
    """An invertible network z = f(x; c(a)) trained so that z ~ N(0, I); it generates x = f⁻¹(z; c(a)).

    It minimises the negative log-likelihood per dimension without its constant (Dinh et al., *Density estimation using
    Real NVP*, ICLR 2017, eq. 3): ½ mean z² − mean log|det ∂f/∂x| / d. Features are seen as x + π m⊙ε with ε ~ N(0, I):
    ``perturbation`` is π, and the mask m, one a step, spares each dimension with probability ``mask``. Without a
    perturbation the likelihood of features that are often exactly the same, e.g. 0 after a ReLU, has no bound.

    ``condition`` is c, the semantics as they are by default; a module is trained along. ``forward`` and ``inverse``
    are those of :class:`~d3wrap.adapters.invertible.InvertibleNetwork`. Layers that initialise themselves from the
    first batch they see (ActNorm) must see features before noise: show them some before generating, as the adapter
    does when it is bound to a dataset.
    """

    gradient_share = LIKELIHOOD_SHARE

    def __init__(
        self,
        network: nn.Module,
        *,
        feature_dim: int,
        semantic_dim: int,
        forward: Forward | None = None,
        inverse: Inverse | None = None,
        condition: Condition | None = None,
        perturbation: float = 0.0,
        mask: float = 0.0,
        lr: float = 3e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        decay: Callable[[int], float] | None = None,
        name: str = "flow",
    ) -> None:
        super().__init__()
        if perturbation < 0:
            raise ConfigError(f"perturbation: expected 0 or more, found {perturbation}")
        if not 0 <= mask < 1:
            raise ConfigError(f"mask: expected a probability from 0 to below 1, found {mask}")
        self.name = name
        self.feature_dim, self.semantic_dim = feature_dim, semantic_dim
        self.network = InvertibleNetwork(network, forward=forward, inverse=inverse)
        self.condition: Condition = condition or nn.Identity()
        self.perturbation, self.mask = perturbation, mask
        self.lr, self.betas, self.weight_decay, self.decay = lr, betas, weight_decay, decay

    def phases(self) -> Sequence[Phase]:
        """Return the only phase, ``flow``; what the network has frozen stays so."""
        trained = tuple(p for p in self.parameters() if p.requires_grad)
        return (
            Phase(
                "flow",
                trained,
                lr=self.lr,
                betas=self.betas,
                weight_decay=self.weight_decay,
                enhanced=True,
                decay=self.decay,
            ),
        )

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of the negative log-likelihood: ``prior`` of z and ``volume``; see the class."""
        features = self.perturbed(batch.features, rng)
        z, log_determinant = self.network(features, self.condition(batch.semantics))
        return {"prior": z.square().mean() / 2, "volume": -log_determinant.mean() / self.feature_dim}

    def perturbed(self, features: Tensor, rng: torch.Generator | None) -> Tensor:
        """Return x + π m⊙ε, ``[n, d]``, as it is seen in training."""
        if not self.perturbation:
            return features
        device, dtype = features.device, features.dtype
        noise = self.perturbation * torch.randn(features.shape, generator=rng, device=device, dtype=dtype)
        if self.mask:
            noise = noise * (torch.rand(features.shape[1], generator=rng, device=device, dtype=dtype) >= self.mask)
        return features + noise

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → f⁻¹(z; c(a)) ``[n, d]`` with z ~ N(0, I)."""
        noise = torch.randn(
            len(semantics), self.feature_dim, generator=rng, device=semantics.device, dtype=semantics.dtype
        )
        return self.network.inverse(noise, self.condition(semantics))


SIZES = ("self", "network", "feature_dim", "semantic_dim")
"""Arguments of :class:`FlowBackbone` that follow from network and dataset."""


@dataclass(frozen=True)
class FlowAdapter:
    """An invertible network waiting for a dataset; see :meth:`bind`."""

    network: nn.Module
    options: Mapping[str, Any]

    def bind(self, dataset: GZSLDataset) -> FlowBackbone:
        """Build the backbone for a dataset and try the network on some of its training rows.

        Layers that initialise themselves from data (ActNorm) take these rows for it. Raises
        :class:`~d3wrap.errors.ShapeError` where network and dataset do not fit, :class:`~d3wrap.errors.ConfigError`
        where the network is not invertible or pays the semantics no attention.
        """
        backbone = FlowBackbone(
            self.network, feature_dim=dataset.feature_dim, semantic_dim=dataset.semantic_dim, **self.options
        )
        try_out(backbone.network, backbone.condition, backbone.perturbed, dataset)
        return backbone


def adapt_network(
    network: nn.Module, *, forward: Forward | None = None, inverse: Inverse | None = None, **options: Any
) -> FlowAdapter:
    """Adapt an invertible network, of FrEIA's or any other; ``options`` are those of :class:`FlowBackbone`.

    Raises :class:`~d3wrap.errors.ConfigError` for an unknown option, and where ``forward`` and ``inverse`` are needed.
    """
    known = set(inspect.signature(FlowBackbone.__init__).parameters) - set(SIZES)
    for option in options:
        if option not in known:
            raise ConfigError(f"adapter 'flow' has no option {option!r}{did_you_mean(option, known)}")
    given = {"forward": forward, "inverse": inverse, **options}
    FlowBackbone(network, feature_dim=1, semantic_dim=1, **given)  # refuses what it can before there is a dataset
    return FlowAdapter(network, given)


@hookimpl
def register_adapters(register: Callable[[AdapterSpec], None]) -> None:
    """Register the adapter ``flow``."""
    register(
        AdapterSpec(
            name="flow",
            summary="an invertible network, e.g. of FrEIA's, trained by maximum likelihood",
            accepts=is_freia,
            build=adapt_network,
        )
    )
