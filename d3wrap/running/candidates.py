"""Tell from what a script did which of its networks generates, from what data, and with which optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from d3wrap.attaching.roles import Argument, arguments_of
from d3wrap.attaching.watching import usable
from d3wrap.errors import D3WrapError
from d3wrap.foreign import Recognised, foreign_dataset
from d3wrap.foreign.names import find
from d3wrap.outputs import Output
from d3wrap.running.inventory import looks_like_data, objects_in
from d3wrap.running.resolving import holds
from d3wrap.running.survey import Seen, View

LOOSE = ("train_features", "features", "train_labels", "labels", "semantics", "seen_semantics", "unseen_semantics")


@dataclass(frozen=True)
class Data:
    """The script's data: the name of a loader or a name for each part, what was recognised, or why it was not."""

    name: str | Mapping[str, str]
    recognised: Recognised | None
    fault: str = ""


@dataclass(frozen=True)
class Candidate:
    """A network that was called with class semantics and gave features: ``network`` by its name in the scope.

    ``arguments`` are what it was called with, ``output`` the place of the features among several outputs;
    ``plain`` says whether the call can be made again from semantics and noise alone.
    """

    name: str
    network: nn.Module
    arguments: tuple[Argument, ...]
    output: Output | None
    plain: bool
    optimizer: str | None
    steps_here: bool


def find_data(view: View) -> Data | None:
    """Return the first data in the scope that is recognised, else the first that is not, with the reason."""
    failed: Data | None = None
    for name, value in _data_objects(view):
        try:
            return Data(name, foreign_dataset(value))
        except D3WrapError as error:
            failed = failed or Data(name, None, str(error))
    return failed


def _data_objects(view: View) -> Iterator[tuple[str | Mapping[str, str], Any]]:
    for name, value in objects_in(view.scope):
        if looks_like_data(value):
            yield name, value
    loose = find(dict(view.scope.items()))
    if sum(role in loose for role in LOOSE) >= 3:
        parts = {role: found[0] for role, found in loose.items()}
        yield {role: one.name for role, one in parts.items()}, {role: one.value for role, one in parts.items()}


def find_candidates(view: View, data: Data | None) -> list[Candidate]:
    """Return the networks that generate, the likeliest first; without recognised data there are none."""
    if data is None or data.recognised is None:
        return []
    dataset = data.recognised.dataset
    found = []
    for network, name in view.networks().items():
        for seen in view.calls.get(network, ()):
            place = [place for place, shape in seen.outputs.items() if math.prod(shape[1:]) == dataset.feature_dim]
            arguments = arguments_of(seen.args, seen.kwargs, dataset.semantics)
            if place and any("semantics" in one.role for one in arguments):
                optimizer, here = _optimizer_of(view, network)
                found.append(Candidate(name, network, arguments, place[0], usable(arguments), optimizer, here))
                break
    return sorted(found, key=_rank)


def _rank(one: Candidate) -> tuple[bool, bool, int]:
    takes_features = any(argument.role == "other" for argument in one.arguments)
    return (one.optimizer is None, takes_features and not one.plain, one.name.count(".") + one.name.count("["))


def _optimizer_of(view: View, network: nn.Module) -> tuple[str | None, bool]:
    """Return the name of the optimizer of a network, that which steps where there are several."""
    names = [(name, one) for name, one in view.named(Optimizer) if holds(one, [network])]
    here = holds(view.stepping, [network])
    own = [name for name, one in names if one is view.stepping] or [name for name, _ in names]
    return (own[0] if own else None), here


def calls_in_words(view: View, data: Data | None) -> Iterator[str]:
    """Yield a line for each call of a named network of the script, for a person to find the one that generates."""
    table = data.recognised.dataset.semantics if data and data.recognised else None
    for network, name in view.networks().items():
        if type(network).__module__.startswith("torch.nn") or not view.calls.get(network):
            continue
        seen = view.calls[network][0]
        words = (
            [one.text for one in arguments_of(seen.args, seen.kwargs, table)] if table is not None else _shapes(seen)
        )
        gave = ", ".join(str(list(shape)) for shape in seen.outputs.values()) or "no tensor"
        yield f"{name}({', '.join(words)}) gave {gave}"


def _shapes(seen: Seen) -> list[str]:
    values = [("", one) for one in seen.args] + [(f"{name}=", one) for name, one in seen.kwargs.items()]
    return [f"{name}{list(one.shape) if hasattr(one, 'shape') else type(one).__name__}" for name, one in values]
