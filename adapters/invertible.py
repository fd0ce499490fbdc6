"""Present an invertible network with a calling convention of its own as one map and its inverse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.errors import ConfigError, ShapeError

Forward = Callable[[nn.Module, Tensor, Tensor], object]
"""``forward(network, x, c)`` gives ``(z, log|det ∂z/∂x|)`` of features ``[n, d]`` under conditions ``[n, c]``."""
Inverse = Callable[[nn.Module, Tensor, Tensor], object]
"""``inverse(network, z, c)`` gives the features ``x [n, d]`` that the network takes to ``z [n, d]``."""


def is_freia(network: object) -> bool:
    """Tell whether a network is a graph or sequence of FrEIA's (or derived from one), without importing FrEIA."""
    return any(cls.__module__.startswith("FrEIA.framework") for cls in type(network).__mro__)


class InvertibleNetwork(nn.Module):
    """A network f(x; c) with an inverse: FrEIA's ``SequenceINN`` and ``GraphINN``, or whatever the two calls reach.

    A FrEIA network is called as ``network(x, c=[c], rev=..., jac=True)``; its outputs lie flat and side by side in z.
    Any other needs ``forward`` and ``inverse``. Raises :class:`~d3wrap.errors.ConfigError` without them.
    """

    def __init__(self, network: nn.Module, *, forward: Forward | None = None, inverse: Inverse | None = None) -> None:
        super().__init__()
        if (forward is None) != (inverse is None) or (forward is None and not is_freia(network)):
            missing = "forward" if forward is None else "inverse"
            raise ConfigError(
                f"{missing}: cannot tell how to call a {type(network).__name__}, which is no FrEIA network; give both "
                "forward=lambda net, x, c: (z, log_determinant) and inverse=lambda net, z, c: x"
            )
        self.network = network
        self._forward: Forward = forward or _freia_forward
        self._inverse: Inverse = inverse or _freia_inverse

    def forward(self, features: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return z = f(x; c) ``[n, d]`` and log|det ∂z/∂x| ``[n]``; raises ``ShapeError`` for anything else."""
        found = self._forward(self.network, features, condition)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ShapeError(
                f"forward of {type(self.network).__name__} gave a {type(found).__name__}; "
                "expected the pair (z, log-determinant)"
            )
        z = self._checked(found[0], features, "forward")
        return z, self._log_determinant(found[1], z)

    def inverse(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Return x = f⁻¹(z; c) ``[n, d]``."""
        return self._checked(self._inverse(self.network, noise, condition), noise, "inverse")

    def _checked(self, value: object, like: Tensor, call: str) -> Tensor:
        if not isinstance(value, Tensor) or value.shape != like.shape:
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(
                f"{call} of {type(self.network).__name__} gave {found} for {list(like.shape)}; an invertible network "
                "keeps the shape"
            )
        return value

    def _log_determinant(self, value: object, z: Tensor) -> Tensor:
        # A volume that is the same everywhere comes as one number, e.g. 0.0 from additive couplings.
        if isinstance(value, int | float):
            value = torch.full((), float(value), dtype=z.dtype, device=z.device)
        if isinstance(value, Tensor) and value.ndim == 0:
            value = value.expand(len(z))
        if not isinstance(value, Tensor) or value.shape != z.shape[:1]:
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(
                f"{type(self.network).__name__} gave a log-determinant {found} for features {list(z.shape)}; expected "
                f"[{len(z)}], one for each row: sum it over the {z.shape[1]} dimensions"
            )
        return value


def condition_widths(network: Any) -> tuple[int, ...] | None:
    """Return the width of each condition a FrEIA network takes, ``None`` for any other network."""
    if not is_freia(network):
        return None
    if hasattr(network, "condition_nodes"):
        return tuple(_width(node.output_dims[0]) for node in network.condition_nodes)
    found = {
        index: _width(module.dims_c[0])
        for index, module in zip(network.conditions, network.module_list, strict=True)
        if index is not None
    }
    return tuple(found[index] for index in sorted(found))


def input_widths(network: Any) -> tuple[int, ...] | None:
    """Return the width of each input of a FrEIA network, ``None`` for any other network."""
    return tuple(map(_width, network.dims_in)) if is_freia(network) else None


def _freia_forward(network: Any, features: Tensor, condition: Tensor) -> tuple[Tensor, object]:
    outputs, log_determinant = network(features, c=[condition], rev=False, jac=True)
    return _joined(outputs), log_determinant


def _freia_inverse(network: Any, noise: Tensor, condition: Tensor) -> Tensor:
    shapes = network.global_out_shapes if hasattr(network, "global_out_shapes") else network.shapes[-1:]
    parts = noise.split([_width(shape) for shape in shapes], 1)
    outputs = [part.reshape(len(part), *shape) for part, shape in zip(parts, shapes, strict=True)]
    # jac=True: with False some of FrEIA's modules, e.g. InvertibleSigmoid, give one value where two are unpacked.
    features, _ = network(outputs[0] if len(outputs) == 1 else outputs, c=[condition], rev=True, jac=True)
    return _joined(features)


def _joined(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    parts = (outputs,) if isinstance(outputs, Tensor) else outputs
    return torch.cat([part.flatten(1) for part in parts], 1)


def _width(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
