"""Try an invertible network on a few training rows before it is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from d3wrap.adapters.invertible import InvertibleNetwork, condition_widths, input_widths
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.evaluation.modes import evaluating
from d3wrap.seeds import initialising, stream

ROWS = 256
"""Training rows to try it on, and for layers to initialise themselves with."""
TOLERANCE = 1e-3
"""How far x and f⁻¹(f(x)) may lie apart, as a share of the largest |x|; iterated inverses are not exact."""


def try_out(
    flow: InvertibleNetwork,
    condition: Callable[[Tensor], Tensor],
    perturbed: Callable[[Tensor, torch.Generator], Tensor],
    dataset: GZSLDataset,
) -> None:
    """Send training rows forward and back and check shapes, numbers, the inverse, and that the condition matters.

    Features go first: a layer that initialises itself from what it sees first must not see noise. Evaluation mode and
    random numbers of its own leave no other trace. Raises :class:`~d3wrap.errors.ShapeError` with the sizes seen,
    :class:`~d3wrap.errors.ConfigError` for a network that fits but is no conditional flow.
    """
    like = next((p for p in flow.parameters() if p.is_floating_point()), dataset.features)
    picked = torch.linspace(0, len(dataset.train) - 1, min(ROWS, len(dataset.train))).long()
    features = dataset.train_features[picked.to(dataset.train.device)].to(like)
    semantics = dataset.semantics[dataset.train_labels[picked.to(dataset.train.device)]].to(like)
    with evaluating(flow), evaluating(condition), initialising(0, "probe", like.device):
        given = _condition(condition, semantics, flow.network)
        _check_declared(flow.network, features, given, dataset.name)
        seen = perturbed(features, stream(0, "probe", like.device))
        with torch.enable_grad():
            given = given.detach().requires_grad_()
            with _sizes_told(flow.network, "forward", seen, given):
                z, log_determinant = flow(seen, given)
            total = z.sum() + log_determinant.sum()
            attention = torch.autograd.grad(total, given, allow_unused=True)[0] if total.requires_grad else None
        with _sizes_told(flow.network, "back", z, given):
            back = flow.inverse(z.detach(), given.detach())
    name = type(flow.network).__name__
    if attention is None:
        raise ConfigError(f"{name} pays no attention to its condition: build it conditional on the semantics")
    if not (z.isfinite().all() and log_determinant.isfinite().all()):
        still = int((seen.std(0) == 0).sum()) if len(seen) > 1 else 0
        raise ConfigError(
            f"{name} gave numbers that are not finite for training rows of dataset {dataset.name!r}; {still} of "
            f"{seen.shape[1]} features are constant there. Build it anew and give perturbation=0.01 or more"
        )
    apart, largest = float((back - seen).abs().max()), float(seen.abs().max())
    if not apart <= TOLERANCE * max(1.0, largest):
        raise ConfigError(
            f"inverse of {name} does not undo forward: f⁻¹(f(x)) and x lie up to {apart:.3g} apart, x reaches "
            f"{largest:.3g}; give the inverse under the same condition"
        )


def _condition(condition: Callable[[Tensor], Tensor], semantics: Tensor, network: nn.Module) -> Tensor:
    try:
        given = condition(semantics)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(f"condition cannot be called with semantics {list(semantics.shape)}: {error}") from error
    if not isinstance(given, Tensor) or given.ndim != 2 or len(given) != len(semantics):
        found = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
        raise ShapeError(
            f"condition gave {found} for semantics {list(semantics.shape)}; expected one row each, [n, c], "
            f"of the width {type(network).__name__} takes"
        )
    return given


def _check_declared(network: nn.Module, features: Tensor, condition: Tensor, dataset: str) -> None:
    """Check the sizes a FrEIA network states, before anything is called."""
    name, widths, inputs = type(network).__name__, condition_widths(network), input_widths(network)
    if widths is None or inputs is None:
        return
    if inputs != (features.shape[1],):
        raise ShapeError(
            f"{name} takes inputs of widths {list(inputs)}, dataset {dataset!r} has features of width "
            f"{features.shape[1]}: build it for one input of {features.shape[1]}"
        )
    if not widths:
        raise ConfigError(
            f"{name} takes no condition, so it cannot tell classes apart: give its couplings one, in a SequenceINN "
            f"append(..., cond=0, cond_shape=({condition.shape[1]},)), in a GraphINN conditions=ConditionNode(...)"
        )
    if widths != (condition.shape[1],):
        raise ShapeError(
            f"{name} takes conditions of widths {list(widths)}, the condition it is given has width "
            f"{condition.shape[1]}: give condition=torch.nn.Linear({condition.shape[1]}, {widths[0]}) or any other map "
            f"of the semantics, or build the network for one condition of width {condition.shape[1]}"
        )


@contextlib.contextmanager
def _sizes_told(network: nn.Module, call: str, inputs: Tensor, condition: Tensor) -> Iterator[None]:
    """Turn whatever a network raises at a call into a ``ShapeError`` with the sizes it was called with."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, AssertionError, LookupError) as error:
        raise ShapeError(
            f"{type(network).__name__} cannot be called {call} with {list(inputs.shape)} under a condition "
            f"{list(condition.shape)}: {error}. Give condition=, a map of the semantics to the width it takes, or the "
            "forward= and inverse= it was written for"
        ) from error
