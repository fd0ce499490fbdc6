"""Train any decoder network as a conditional variational autoencoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap import hookimpl
from d3wrap.adapters.callable import Call, CallableGenerator, probe
from d3wrap.adapters.encoder import RECONSTRUCTIONS, Encoder, kl, sample
from d3wrap.arguments import Order
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, D3WrapError, ShapeError, did_you_mean
from d3wrap.evaluation.modes import evaluating
from d3wrap.generator import LIKELIHOOD_SHARE, Backbone, Phase, RealBatch
from d3wrap.outputs import Output, described
from d3wrap.seeds import initialising
from d3wrap.specs import AdapterSpec


class VAEBackbone(Backbone):
    """A decoder p(x | z, a) trained with an encoder q(z | x, a) (Sohn, Lee and Yan, NeurIPS 2015).

    The phase ``vae`` minimises R(x̂, x) + β KL(q(z | x, a) ‖ N(0, I)) with z ~ q and x̂ = decoder(z, a). R is one of
    :data:`~d3wrap.adapters.encoder.RECONSTRUCTIONS`, β is ``kl_weight``. ``generate`` decodes z ~ N(0, I).

    The encoder is one of ours, with hidden layers of widths ``encoder_hidden``, or ``encoder``, a network called as
    ``encoder(features, semantics)``, or by ``encoder_call(encoder, features, semantics)``, which gives mean and
    log-variance, ``[n, noise_dim]`` each.
    """

    gradient_share = LIKELIHOOD_SHARE

    def __init__(
        self,
        network: nn.Module,
        *,
        noise_dim: int,
        feature_dim: int,
        semantic_dim: int,
        order: Order | None = None,
        call: Call | None = None,
        output: Output | None = None,
        encoder: nn.Module | None = None,
        encoder_call: Call | None = None,
        encoder_hidden: Sequence[int] = (512,),
        reconstruction: str = "calibrated",
        kl_weight: float = 1.0,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        name: str = "vae",
    ) -> None:
        super().__init__()
        check_losses(reconstruction, kl_weight)
        self.name = name
        self.feature_dim, self.semantic_dim = feature_dim, semantic_dim
        self.generator = CallableGenerator(network, noise_dim=noise_dim, order=order, call=call, output=output)
        self.encoder = Encoder(feature_dim, semantic_dim, encoder_hidden, noise_dim) if encoder is None else encoder
        self.encoder_call = encoder_call
        self.reconstruction, self.kl_weight = reconstruction, kl_weight
        self.lr, self.betas = lr, betas

    def try_out(self, dataset: GZSLDataset) -> None:
        """Call both networks once, leaving no trace.

        Raises :class:`~d3wrap.errors.ShapeError` where they do not fit the dataset or each other, and
        :class:`~d3wrap.errors.ConfigError` where the reconstruction loss does not fit the features.
        """
        probe(self.generator, dataset)
        first = next(self.encoder.parameters(), torch.empty(0))
        features, labels = dataset.train_features[:2].to(first), dataset.train_labels[:2]
        semantics = dataset.semantics[labels].to(first)
        try:
            with evaluating(self.encoder), initialising(0, "probe"):
                self.posterior(features, semantics)
        except D3WrapError:
            raise
        except Exception as error:  # a network, and encoder_call=, may fail in any way
            raise ShapeError(
                f"encoder {type(self.encoder).__name__} cannot be called with (features, semantics) of widths "
                f"{dataset.feature_dim} and {dataset.semantic_dim}: {type(error).__name__}: {error}. Give encoder= a "
                "network of these widths, or encoder_call=lambda encoder, features, semantics: ..."
            ) from error
        self._check_range(dataset)

    def _check_range(self, dataset: GZSLDataset) -> None:
        low, high = (float(limit) for limit in dataset.train_features.aminmax())
        if self.reconstruction == "binary" and (low < -1e-3 or high > 1 + 1e-3):
            raise ConfigError(
                f"reconstruction: 'binary' is for features in [0, 1], those of {dataset.name!r} lie in "
                f"[{low:.3g}, {high:.3g}]: load the dataset with scale='minmax', or give reconstruction='squared'"
            )

    def posterior(self, features: Tensor, semantics: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z | x, a), ``[n, noise_dim]`` each.

        Raises :class:`~d3wrap.errors.ShapeError` where the encoder gives anything else.
        """
        if self.encoder_call is None:
            found = self.encoder(features, semantics)
        else:
            found = self.encoder_call(self.encoder, features, semantics)
        wanted = (len(features), self.generator.noise_dim)
        parts = found if isinstance(found, tuple | list) else ()
        if [part.shape if isinstance(part, Tensor) else None for part in parts] != [wanted, wanted]:
            raise ShapeError(
                f"encoder {type(self.encoder).__name__} gave {described(found)} for {len(features)} rows; expected "
                f"mean and log-variance {wanted}, as wide as noise_dim: give the noise_dim that encoder and decoder "
                "were written for, or an encoder_call= that returns these two"
            )
        return parts[0], parts[1]

    def phases(self) -> Sequence[Phase]:
        """Return one step of encoder and decoder together; what a network has frozen stays so."""
        both = (*self.generator.parameters(), *self.encoder.parameters())
        trained = tuple(dict.fromkeys(p for p in both if p.requires_grad))
        return (Phase("vae", trained, lr=self.lr, betas=self.betas, enhanced=True),)

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return reconstruction and weighted KL divergence; see the class for the equation."""
        mean, log_variance = self.posterior(batch.features, batch.semantics)
        rebuilt = self.generator(sample(mean, log_variance, rng), batch.semantics)
        reconstruction = RECONSTRUCTIONS[self.reconstruction](rebuilt, batch.features)
        return {"reconstruction": reconstruction, "kl": self.kl_weight * kl(mean, log_variance)}

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self.generator.generate(semantics, rng=rng)


def check_losses(reconstruction: str = "calibrated", kl_weight: float = 1.0) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for a reconstruction loss or a weight that there is not."""
    if reconstruction not in RECONSTRUCTIONS:
        hint = did_you_mean(reconstruction, RECONSTRUCTIONS)
        raise ConfigError(f"reconstruction: no such loss: {reconstruction!r}{hint}")
    if not kl_weight >= 0:
        raise ConfigError(f"kl_weight: expected 0 or more, found {kl_weight}")


SIZES = ("self", "network", "feature_dim", "semantic_dim")
"""Arguments of :class:`VAEBackbone` that follow from network and dataset."""


@dataclass(frozen=True)
class VAEAdapter:
    """A decoder waiting for the dataset whose sizes its encoder needs; see :meth:`bind`."""

    network: nn.Module
    options: Mapping[str, Any]

    def bind(self, dataset: GZSLDataset) -> VAEBackbone:
        """Build the backbone for a dataset, after one trial call of both networks; see ``VAEBackbone.try_out``."""
        backbone = VAEBackbone(
            self.network, feature_dim=dataset.feature_dim, semantic_dim=dataset.semantic_dim, **self.options
        )
        backbone.try_out(dataset)
        return backbone


def adapt_network(
    network: nn.Module, *, noise_dim: int, order: Order | None = None, call: Call | None = None, **options: Any
) -> VAEAdapter:
    """Adapt a decoder called with noise and semantics; ``options`` are those of :class:`VAEBackbone`.

    ``call(network, noise, semantics)`` says how, where it takes more; ``output`` names the features, where it returns
    more (see :class:`~d3wrap.adapters.callable.CallableGenerator`). Raises :class:`~d3wrap.errors.ConfigError` for
    an unknown option, and where ``order`` is needed.
    """
    known = set(inspect.signature(VAEBackbone.__init__).parameters) - set(SIZES)
    for option in options:
        if option not in known:
            raise ConfigError(f"adapter 'vae' has no option {option!r}{did_you_mean(option, known)}")
    check_losses(**{name: options[name] for name in ("reconstruction", "kl_weight") if name in options})
    order = CallableGenerator(network, noise_dim=noise_dim, order=order, call=call).order
    return VAEAdapter(network, {"noise_dim": noise_dim, "order": order, "call": call, **options})


@hookimpl
def register_adapters(register: Callable[[AdapterSpec], None]) -> None:
    """Register the adapter ``vae``."""
    register(
        AdapterSpec(
            name="vae",
            summary="a decoder called with noise and semantics, trained as a conditional VAE with an encoder",
            # Any generator network could be a decoder: the adapter is taken where it is named.
            accepts=lambda network: False,
            build=adapt_network,
        )
    )
