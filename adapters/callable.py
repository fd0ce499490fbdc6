"""Present a network with a calling convention of its own as a generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from d3wrap.arguments import GIVE_CALL, Order, argument_order, check_arguments
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, D3WrapError, ShapeError
from d3wrap.evaluation.modes import evaluating
from d3wrap.outputs import Output, described, features_in
from d3wrap.seeds import initialising, stream

Call = Callable[[nn.Module, Tensor, Tensor], object]
"""``call(network, noise, semantics)`` gives features: how a network is called that takes more than these two."""


class CallableGenerator(nn.Module):
    """A network called as ``network(noise, semantics)`` (or the other way round), presented as a generator.

    Noise is drawn from N(0, I) of width ``noise_dim``. ``call`` calls a network of any other convention, e.g.
    ``lambda network, noise, semantics: network(noise[:, :, None, None], c=semantics, t=0)``, and ``order`` is then not
    needed. ``output`` names the features among several outputs (see :func:`~d3wrap.outputs.features_in`).
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        noise_dim: int,
        order: Order | None = None,
        call: Call | None = None,
        output: Output | None = None,
    ) -> None:
        super().__init__()
        if noise_dim < 1:
            raise ConfigError(f"noise_dim: expected 1 or more, found {noise_dim}")
        if order not in (None, "noise, semantics", "semantics, noise"):
            raise ConfigError(f"order: expected 'noise, semantics' or 'semantics, noise', found {order!r}")
        if call is not None and not callable(call):
            raise ConfigError(f"call: expected {GIVE_CALL}, found {call!r}")
        if call is None:
            check_arguments(network)
        self.network = network
        self.noise_dim = noise_dim
        self.call = call
        self.output = output
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
        return self.checked(self.result(noise, semantics), semantics)

    def result(self, noise: Tensor, semantics: Tensor) -> object:
        """Return what the network gives, whatever it is."""
        if self.call is not None:
            return self.call(self.network, noise, semantics)
        inputs = (noise, semantics) if self.order == "noise, semantics" else (semantics, noise)
        return self.network(*inputs)

    def checked(self, result: object, semantics: Tensor) -> Tensor:
        """Return the features ``[n, d]`` in what the network gave; ``[n, d, 1, 1]`` is flattened.

        Raises :class:`~d3wrap.errors.ShapeError` for another shape, and what
        :func:`~d3wrap.outputs.features_in` raises.
        """
        features = features_in(result, self.output, type(self.network).__name__)
        if isinstance(features, Tensor) and features.ndim > 2 and set(features.shape[2:]) == {1}:
            features = features.flatten(1)
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
    name = type(generator.network).__name__
    first = next(generator.network.parameters(), torch.empty(0))
    semantics = dataset.semantics[:2].to(first)
    noise = generator.draw(semantics, stream(0, "probe", semantics.device))
    try:
        # What a network draws by itself, e.g. for a latent code of its own, comes from torch's global stream.
        with evaluating(generator.network), initialising(0, "probe"):
            result = generator.result(noise, semantics)
            features = generator.checked(result, semantics)
    except D3WrapError:
        raise
    except Exception as error:  # a network, and call=, may fail in any way
        widths = f"noise {generator.noise_dim} and semantics {dataset.semantic_dim}"
        if generator.call is not None:
            raise ShapeError(
                f"{name} cannot be called by call= with widths {widths}: {type(error).__name__}: {error}. "
                "Give the noise_dim (or call) it was written for"
            ) from error
        raise ShapeError(
            f"{name} cannot be called with ({generator.order}) of widths {widths}: {error}. "
            "Give the noise_dim and order (or call) it was written for"
        ) from error
    if features.shape[1] != dataset.feature_dim:
        other = "" if isinstance(result, Tensor) else f" (of {described(result)})"
        remedy = "" if isinstance(result, Tensor) else "name another part with output=, or "
        raise ShapeError(
            f"{name} gives features of width {features.shape[1]}{other}, dataset {dataset.name!r} has width "
            f"{dataset.feature_dim}: {remedy}give a network whose last layer has {dataset.feature_dim} outputs"
        )
