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
from d3wrap.running.inventory import describe_network, looks_like_data, objects_in
from d3wrap.running.own_code import OwnCode
from d3wrap.running.resolving import holds
from d3wrap.running.survey import Seen, View

FILL_IN = "FILL_IN"
"""Stands in a proposal where something could not be found out."""

LOOSE = (
    ("train_features", "features"),
    ("train_labels", "labels"),
    ("semantics", "unseen_semantics"),
    ("unseen", "test_unseen_labels", "test_unseen"),
)
"""Of each of these one must be there for the variables of a script to be its data."""


@dataclass(frozen=True)
class Data:
    """The script's data: the name of a loader or a name for each part, what was recognised, or why it was not."""

    name: str | Mapping[str, str]
    recognised: Recognised | None
    fault: str = ""


@dataclass(frozen=True)
class Candidate:
    """A way to generate: the network ``name``, called as the script calls it, or the lines ``sample``.

    ``about`` says in words what it is and how it was found; ``certain`` is false where a person has to check it.
    ``output`` is the place of the features among several outputs; ``optimizer`` the name of the network's optimizer.
    """

    name: str
    about: str
    certain: bool
    sample: tuple[str, ...] = ()
    output: Output | None = None
    optimizer: str | None = None
    steps_here: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything it is called with is known."""
        return not any(FILL_IN in line for line in self.sample)


def find_data(view: View, known: dict[int, tuple[object, Recognised]]) -> Data | None:
    """Return the first data in the scope that is recognised, else the first that is not, with the reason.

    ``known`` keeps what was recognised with the object itself, since it takes a while where there is much data.
    """
    failed: Data | None = None
    for name, value in _data_objects(view):
        try:
            if id(value) not in known:
                known[id(value)] = (value, foreign_dataset(value))
            return Data(name, known[id(value)][1])
        except D3WrapError as error:
            failed = failed or Data(name, None, str(error))
    return failed


def _data_objects(view: View) -> Iterator[tuple[str | Mapping[str, str], Any]]:
    for name, value in objects_in(view.scope):
        if looks_like_data(value):
            yield name, value
    loose = find(dict(view.scope.items()))
    if all(any(role in loose for role in roles) for roles in LOOSE):
        parts = {role: found[0] for role, found in loose.items()}
        yield {role: one.name for role, one in parts.items()}, {role: one.value for role, one in parts.items()}


def called_candidates(view: View, data: Data, own: OwnCode) -> list[Candidate]:
    """Return the networks that were called with class semantics and gave features, the likeliest first.

    A layer of torch's inside a network of the script's comes last: it may be a hidden one of the same width.
    """
    assert data.recognised is not None
    dataset = data.recognised.dataset
    ranked: list[tuple[tuple[bool, bool, int], Candidate]] = []
    for network, name in view.networks().items():
        for seen in view.calls.get(network, ()):
            places = [place for place, shape in seen.outputs.items() if math.prod(shape[1:]) == dataset.feature_dim]
            arguments = arguments_of(seen.args, seen.kwargs, dataset.semantics)
            if not places or not any("semantics" in one.role for one in arguments):
                continue
            depth = name.count(".") + name.count("[")
            hidden = depth > 0 and not is_own_network(network, own) and _inside_a_network(view, name)
            # Without noise it is rather an embedding of the semantics, which happens to be as wide as the features.
            plain = usable(arguments) and not hidden and any("noise" in one.role for one in arguments)
            optimizer, here = optimizer_of(view, network)
            made = Candidate(
                name,
                f"{describe_network(network)}; seen called as ({', '.join(one.text for one in arguments)})",
                plain,
                () if usable(arguments) else (_line(name, arguments, dataset.semantic_dim),),
                places[0],
                optimizer,
                here,
            )
            ranked.append(((not plain, hidden, depth), made))
            break
    whole = [made.name for (_, hidden, _), made in ranked if not hidden]
    # What is inside a network that gives features itself is not what generates.
    kept = [pair for pair in ranked if not pair[0][1] or not any(pair[1].name.startswith(name) for name in whole)]
    return [made for _, made in sorted(kept, key=lambda pair: pair[0])]


def is_own_network(network: nn.Module, own: OwnCode) -> bool:
    """Say whether a network's class is written in the script's files."""
    forward = getattr(type(network).forward, "__code__", None)
    return forward is not None and own.is_own(forward.co_filename)


def _inside_a_network(view: View, name: str) -> bool:
    return any(name != other and name.startswith((f"{other}.", f"{other}[")) for other, _ in view.named(nn.Module))


def optimizer_of(view: View, network: nn.Module) -> tuple[str | None, bool]:
    """Return the name of the optimizer of a network, and whether it is the one that steps, which goes first."""
    names = [(name, one) for name, one in view.named(Optimizer) if holds(one, [network])]
    own = [name for name, one in names if one is view.stepping] or [name for name, _ in names]
    return (own[0] if own else None), holds(view.stepping, [network])


def _line(name: str, arguments: tuple[Argument, ...], width: int) -> str:
    """Return the call again as a line, with noise in the place of what is not known."""
    return f"{name}({', '.join(_expression(one, width) for one in arguments)})"


def _expression(argument: Argument, width: int) -> str:
    before = f"{argument.where}=" if isinstance(argument.where, str) else ""
    size = argument.shape[0] if argument.shape else 0
    draw = "uniform" if argument.noise == "uniform" else "noise"
    if argument.role == "semantics":
        return f"{before}semantics"
    if argument.role == "constant":
        return f"{before}{argument.value!r}"
    if argument.role == "noise|semantics":
        return f"{before}cat([{draw}({size - width}), semantics], 1)"
    if argument.role == "semantics|noise":
        return f"{before}cat([semantics, {draw}({size - width})], 1)"
    return f"{before}{draw}({size})" if size else f"{before}{FILL_IN}"


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
