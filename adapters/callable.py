"""Present a network with a calling convention of its own as a generator."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.evaluation.modes import evaluating
from d3wrap.seeds import initialising, stream

Order = Literal["noise, semantics", "semantics, noise"]
Call = Callable[[nn.Module, Tensor, Tensor], object]
"""``call(network, noise, semantics)`` gives features: how a network is called that takes more than these two."""

NOISE_NAMES = frozenset({"noise", "z", "eps", "epsilon", "latent", "noises"})
SEMANTIC_NAMES = frozenset(
    {
        "semantics",
        "semantic",
        "a",
        "att",
        "atts",
        "attribute",
        "attributes",
        "attr",
        "s",
        "c",
        "cond",
        "condition",
        "sem",
    }
)


def argument_order(network: nn.Module) -> Order:
    """Tell from the names of ``network.forward``'s first two arguments which is noise and which semantics.

    Raises :class:`~d3wrap.errors.ConfigError` where the names do not settle it: noise and semantics are often of the
    same width, and swapping them runs without an error and trains the wrong model.
    """
    names = [
        p.name
        for p in inspect.signature(network.forward).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ][:2]
    kinds = [
        "noise" if n.lower() in NOISE_NAMES else "semantics" if n.lower() in SEMANTIC_NAMES else "?" for n in names
    ]
    if kinds == ["noise", "semantics"]:
        return "noise, semantics"
    if kinds == ["semantics", "noise"]:
        return "semantics, noise"
    raise ConfigError(
        f"cannot tell noise from semantics in {type(network).__name__}.forward({', '.join(names)}): "
        "give order='noise, semantics' or order='semantics, noise'"
    )


class CallableGenerator(nn.Module):
    """A network called as ``network(noise, semantics)`` (or the other way round), presented as a generator.

    Noise is drawn from N(0, I) of width ``noise_dim``. Where the network returns a tuple or list, its first tensor
    is the feature. ``call`` calls the network instead, and ``order`` is then not needed.
    """

    def __init__(
        self, network: nn.Module, *, noise_dim: int, order: Order | None = None, call: Call | None = None
    ) -> None:
        super().__init__()
        if noise_dim < 1:
            raise ConfigError(f"noise_dim: expected 1 or more, found {noise_dim}")
        if order not in (None, "noise, semantics", "semantics, noise"):
            raise ConfigError(f"order: expected 'noise, semantics' or 'semantics, noise', found {order!r}")
        self.network = network
        self.noise_dim = noise_dim
        self.call = call
        self.order: Order = order or ("noise, semantics" if call else argument_order(network))

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self(self.draw(semantics, rng), semantics)

    def draw(self, semantics: Tensor, rng: torch.Generator | None) -> Tensor:
        """Draw the noise ``[n, noise_dim]`` of as many rows as ``semantics`` has."""
        return torch.randn(
            semantics.shape[0], self.noise_dim, generator=rng, device=semantics.device, dtype=semantics.dtype
        )

    def forward(self, noise: Tensor, semantics: Tensor) -> Tensor:
        """Call the network on this noise."""
        if self.call is not None:
            return self.checked(self.call(self.network, noise, semantics), semantics)
        inputs = (noise, semantics) if self.order == "noise, semantics" else (semantics, noise)
        return self.checked(self.network(*inputs), semantics)

    def checked(self, features: object, semantics: Tensor) -> Tensor:
        """Return what the network gave as features ``[n, d]``, or raise :class:`~d3wrap.errors.ShapeError`."""
        if isinstance(features, tuple | list):
            features = features[0]
        if not isinstance(features, Tensor) or features.ndim != 2 or features.shape[0] != semantics.shape[0]:
            found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ShapeError(
                f"{type(self.network).__name__} gave {found} for {semantics.shape[0]} rows of semantics; "
                "expected features [n, d], one row each"
            )
        return features


def probe(generator: CallableGenerator, dataset: GZSLDataset) -> None:
    """Call the network once on two classes and check what it gives against the dataset.

    The call is in evaluation mode, without gradients, on random numbers of its own, so that it leaves no trace.
    Raises :class:`~d3wrap.errors.ShapeError` with the sizes seen and the argument to give.
    """
    network = generator.network
    first = next(network.parameters(), torch.empty(0))
    semantics = dataset.semantics[:2].to(first)
    try:
        # What a network draws by itself, e.g. for a latent code of its own, comes from torch's global stream.
        with evaluating(network), initialising(0, "probe"):
            features = generator.generate(semantics, rng=stream(0, "probe", semantics.device))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(
            f"{type(network).__name__} cannot be called with ({generator.order}) of widths "
            f"noise {generator.noise_dim} and semantics {dataset.semantic_dim}: {error}. "
            "Give the noise_dim and order (or call) it was written for"
        ) from error
    if features.shape[1] != dataset.feature_dim:
        raise ShapeError(
            f"{type(network).__name__} gives features of width {features.shape[1]}, dataset {dataset.name!r} has "
            f"width {dataset.feature_dim}: give a network whose last layer has {dataset.feature_dim} outputs"
        )
