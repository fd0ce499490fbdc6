"""Write a d3.yaml from what was seen of a script."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from d3wrap.attaching.roles import Argument
from d3wrap.running.candidates import Candidate, Data
from d3wrap.running.inventory import describe_network
from d3wrap.running.own_code import OwnCode
from d3wrap.running.survey import View

TO_DO = "???"
"""Stands where a name could not be found out; a d3.yaml with it is refused."""


@dataclass(frozen=True)
class Proposal:
    """The text of a d3.yaml, and whether everything in it was found out."""

    text: str
    complete: bool


def propose(script: Path, view: View, data: Data | None, candidate: Candidate | None, own: OwnCode) -> Proposal:
    """Return a d3.yaml for a script; what could not be found out stands there as ``???`` with what to write."""
    lines = [f"# d3.yaml for {script.name}; the names are those seen at {view.place}"]
    lines += _generator(view, candidate, own)
    if candidate is not None and candidate.optimizer is not None:
        lines.append(f"optimizer: {candidate.optimizer}")
    elif candidate is None:
        lines.append("# optimizer: NAME        # left out: the first that steps and holds the generator's parameters")
    lines += _data(data)
    complete = candidate is not None and data is not None and data.recognised is not None
    return Proposal("\n".join(lines) + "\n", complete)


def _generator(view: View, candidate: Candidate | None, own: OwnCode) -> Iterator[str]:
    if candidate is None:
        yield "# no network was seen that gives features for semantics. How does the script generate? By one of:"
        for name, network in view.networks().items():
            for method in _methods(network, own):
                yield f"#   {name}.{method}"
        yield f"sample: {TO_DO}              # e.g. model.decode(noise(64), semantics)"
        return
    about = f"# {describe_network(candidate.network)}; seen called as {_call(candidate)}"
    if candidate.plain:
        yield about
        yield f"generator: {candidate.name}"
    else:
        yield about
        yield "# Not all it is given is noise or semantics; check these lines against the script:"
        yield "sample:"
        inputs = ", ".join(_expression(one) for one in candidate.arguments)
        yield f'  - "{candidate.name}({inputs})"'
    if candidate.output not in (None, 0):
        yield f"output: {candidate.output}"


def _call(candidate: Candidate) -> str:
    return f"({', '.join(one.text for one in candidate.arguments)})"


def _expression(argument: Argument) -> str:
    """Return what to write for an argument: what it was, or noise of its width."""
    before = f"{argument.where}=" if isinstance(argument.where, str) else ""
    width = argument.shape[0] if argument.shape else 0
    if argument.role == "semantics":
        return f"{before}semantics"
    if argument.role == "constant":
        return f"{before}{argument.value!r}"
    if argument.role == "noise|semantics" or argument.role == "semantics|noise":
        return f"{before}cat([{argument.role.replace('|', ', ').replace('noise', 'noise(WIDTH)')}], 1)"
    return f"{before}{'uniform' if argument.noise == 'uniform' else 'noise'}({width})"


def _methods(network: nn.Module, own: OwnCode) -> Iterator[str]:
    """Yield the methods that the script's own class of a network has, with their arguments."""
    for name, value in inspect.getmembers(type(network), lambda one: isinstance(one, types.FunctionType)):
        if not name.startswith("_") and name != "forward" and own.is_own(value.__code__.co_filename):
            arguments = list(inspect.signature(value).parameters)[1:]
            yield f"{name}({', '.join(arguments)})"


def _data(data: Data | None) -> Iterator[str]:
    if data is None:
        yield f"data: {TO_DO}                # the script's loader object, or names of its arrays:"
        yield "# data: {features: X, labels: y, semantics: S, seen: s, unseen: u,"
        yield "#        test_seen_features: …, test_seen_labels: …, test_unseen_features: …, test_unseen_labels: …}"
        return
    if data.recognised is None:
        yield f"# not understood: {data.fault}"
    if isinstance(data.name, str):
        yield f"data: {data.name}"
    else:
        yield "data:"
        yield from (f"  {part}: {name}" for part, name in data.name.items())
