"""Turn a plan and the objects found in a script into the arguments of :func:`d3wrap.attach`."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.errors import ConfigError
from d3wrap.running.expression import Lines
from d3wrap.running.interpreter import as_features, run_lines
from d3wrap.running.names import Name
from d3wrap.running.own_code import OwnCode
from d3wrap.running.permission import refusal
from d3wrap.running.plan import Plan
from d3wrap.running.resolving import Objects
from d3wrap.running.scope import scope_of


def attach_arguments(plan: Plan, objects: Objects, own: OwnCode, main: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`d3wrap.attach` is to be called with.

    Objects are those found when D³ is attached. Only ``semantics`` and ``real`` are looked up anew each time they are
    asked for, since scripts bind these names again in each iteration. Raises ``ConfigError`` where a name means an
    object of the wrong kind.
    """
    arguments: dict[str, Any] = {**plan.attach, **plan.d3}
    if plan.generator is not None:
        arguments["generator"] = _generator(plan.generator, objects, own)
    if plan.sample is not None:
        arguments["sample"] = sampler(plan.sample, objects.roots, own)
    if plan.encode is not None:
        arguments["encode"] = encoder(plan.encode, objects.roots, own)
    if plan.semantics is not None:
        arguments["semantics"] = Current(plan.semantics, objects, own, main)
    if plan.real is not None:
        parts = [Current(name, objects, own, main) for name in plan.real]
        arguments["real"] = lambda: tuple(part() for part in parts)
    if plan.noise_dim is not None:
        arguments["noise_dim"] = _size(plan.noise_dim, objects)
    if isinstance(plan.data, Name):
        arguments["data"] = objects.of(plan.data)
    elif plan.data is not None:
        arguments["data"] = {part: objects.of(name) for part, name in plan.data.items()}
    optimizers = objects.optimizers
    arguments["optimizer"] = optimizers[0] if len(optimizers) == 1 else list(optimizers)
    return arguments


def sampler(lines: Lines, objects: Mapping[str, Any], own: OwnCode) -> Callable[[Tensor, Tensor], Tensor]:
    """Return ``sample(semantics [n, k], classes [n])``, which gives what the lines give.

    ``noise(width)``, ``uniform(width)`` and ``zeros(width)`` are ``[n, width]`` on the device and in the dtype of the
    semantics, drawn from torch's global stream (which d3wrap seeds, and puts back).
    """
    kept = _kept(lines, objects)

    def sample(semantics: Tensor, classes: Tensor) -> Tensor:
        inputs = {"semantics": semantics, "classes": classes, "n": len(semantics), **_draws(semantics)}
        return as_features(run_lines(lines, inputs, kept, own), lines)

    return sample


def encoder(lines: Lines, objects: Mapping[str, Any], own: OwnCode) -> Callable[[Tensor], Tensor]:
    """Return ``encode(features [n, d])``, which gives what the lines give."""
    kept = _kept(lines, objects)

    def encode(features: Tensor) -> Tensor:
        return as_features(run_lines(lines, {"features": features, "n": len(features)}, kept, own), lines)

    return encode


def _kept(lines: Lines, objects: Mapping[str, Any]) -> dict[str, Any]:
    return {name.root: objects[name.root] for name in lines.names}


def _draws(like: Tensor) -> dict[str, Callable[[int], Tensor]]:
    def draw(make: Callable[..., Tensor]) -> Callable[[int], Tensor]:
        return lambda width: make(len(like), width, device=like.device, dtype=like.dtype)

    return {"noise": draw(torch.randn), "uniform": draw(torch.rand), "zeros": draw(torch.zeros)}


class Current:
    """What a name stands for at the moment of the call; where it is gone (after the script), what it stood for last."""

    def __init__(self, name: Name, objects: Objects, own: OwnCode, main: Mapping[str, Any]) -> None:
        self.name, self.own, self.main = name, own, main
        self.last = objects.of(name)

    def __call__(self) -> Any:
        """Look the name up from where the call comes from, outwards."""
        found, missing = scope_of(sys._getframe(1), self.own, self.main).resolve([self.name])
        if not missing:
            self.last = self.name.of(found[self.name.root])
        return self.last


def _generator(name: Name, objects: Objects, own: OwnCode) -> Any:
    value = objects.of(name)
    if isinstance(value, nn.Module):
        return value
    if not callable(value):
        raise ConfigError(f"{name.where}: {name.text!r} is a {type(value).__name__}; expected a network or a function")
    if (reason := refusal(value, own)) is not None:
        raise ConfigError(f"{name.where}: {name.text!r} may not be called: {reason}")
    return value


def _size(size: int | Name, objects: Objects) -> int:
    if isinstance(size, int):
        return size
    value = objects.of(size)
    try:
        return operator.index(value)
    except TypeError as error:
        raise ConfigError(f"{size.where}: {size.text!r} is {value!r}; expected a whole number") from error
