"""Try a sampler once, before D³ trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.attaching.sampling import Sampler
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, D3WrapError, ShapeError, TrainingError
from d3wrap.seeds import derive
from d3wrap.space import encode, encodes

CLASSES = 4
PER_CLASS = 2


@dataclass(frozen=True)
class Trial:
    """What a sampler gave: its width and range, the parameters that its gradient reaches, whether samples vary."""

    width: int
    low: float
    high: float
    reached: tuple[nn.Parameter, ...]
    parameters: tuple[nn.Parameter, ...]
    varies: bool


def try_sampler(
    sampler: Sampler,
    dataset: GZSLDataset,
    parameters: Sequence[nn.Parameter] | None,
    encode_generated: bool | None,
    seed: int,
) -> Trial:
    """Sample a few features and check them; ``parameters`` are those to be trained, by default all that are reached.

    Where the sampler gives features and the classifier works elsewhere, sets ``sampler.encodes_generated``, which
    ``encode_generated`` says where the widths do not. Raises
    ``ShapeError`` for another width, ``TrainingError`` for NaN, ``ConfigError`` for features without a gradient on any
    of the parameters, and for a function that fails.
    """
    labels = dataset.unseen[:CLASSES].repeat_interleave(PER_CLASS)
    try:
        with torch.enable_grad():
            features = sampler.sampled(labels, derive(seed, "trial"))
    except D3WrapError:
        raise
    except Exception as error:  # foreign code may fail in any way
        raise ConfigError(
            f"sampling {len(labels)} features failed with {type(error).__name__}: {error}. It is called with semantics "
            f"{[len(labels), dataset.semantic_dim]}, rows already repeated: noise must have as many rows (a noise "
            "buffer of fixed batch size does not); give sample=lambda semantics: ... that works for any number of rows"
        ) from error
    width = _check_width(features, sampler, dataset, encode_generated)
    broken = ~features.isfinite().all(1)
    if broken.any():
        raise TrainingError(
            f"sample gave NaN or infinity in {int(broken.sum())} of {len(broken)} rows before D³ did anything: the "
            "script's own training has diverged, or its generator cannot take these semantics"
        )
    every = leaves(features)
    wanted = every if parameters is None else tuple(parameters)
    if not features.requires_grad:
        raise ConfigError(
            "sample gave features without a gradient: it runs under torch.no_grad(), uses .data, .detach(), numpy or "
            "volatile, or every parameter is frozen. Give a sample that calls the generator itself, e.g. "
            "sample=lambda semantics: netG(torch.randn(len(semantics), nz), semantics)"
        )
    reached = tuple(p for p in wanted if p in set(every))
    if not reached:
        raise ConfigError(
            f"D³'s gradient reaches 0 of {len(wanted)} parameters of the optimizer; the features depend on "
            f"{len(every)} other parameters ({_sizes(every)}): give the optimizer that trains these"
        )
    low, high = features.detach().aminmax()
    first, second = features.detach().unflatten(0, (-1, PER_CLASS)).unbind(1)
    return Trial(width, float(low), float(high), reached, wanted, not torch.allclose(first, second, rtol=1e-5))


def leaves(tensor: Tensor) -> tuple[nn.Parameter, ...]:
    """Return the parameters that ``tensor`` was computed from, in the order they are met from the end."""
    found: dict[Any, None] = {}  # a script may train tensors that are no nn.Parameter
    waiting, passed = [tensor.grad_fn], set()
    while waiting:
        function = waiting.pop()
        if function is None or function in passed:
            continue
        passed.add(function)
        variable = getattr(function, "variable", None)
        if isinstance(variable, Tensor):
            found[variable] = None
        waiting.extend(next_function for next_function, _ in function.next_functions)
    return tuple(found)


def _check_width(features: Tensor, sampler: Sampler, dataset: GZSLDataset, encode_generated: bool | None) -> int:
    """Return the width in the space of the classifier."""
    given, expected = features.shape[1], dataset.feature_dim
    if not encodes(sampler):
        if given != expected:
            raise ShapeError(
                f"sample gives features of width {given}, the real ones have {expected}: give the features that the "
                "generator is trained on, name another part of its output with output=, or, where the classifier works "
                "in another space, encode="
            )
        return given
    space = encode(sampler, dataset.train_features[:2]).shape[1]
    if encode_generated is not None:
        sampler.encodes_generated = encode_generated
    elif given == expected != space:
        sampler.encodes_generated = True
    elif given == expected == space:
        raise ConfigError(
            f"encode= keeps the width {space}, so it cannot be seen in which space sample's features are: give "
            "encode_generated=True where they are features like the real ones, False where they are encoded already"
        )
    elif given != space:
        raise ShapeError(
            f"sample gives width {given}: neither that of the real features, {expected}, nor that of encode=, {space}"
        )
    return space


def _sizes(parameters: Sequence[nn.Parameter]) -> str:
    shown = ", ".join(str(list(p.shape)) for p in parameters[:3])
    return shown + (", …" if len(parameters) > 3 else "") or "none"
