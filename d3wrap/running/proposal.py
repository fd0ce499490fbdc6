"""Write a d3.yaml from what was seen of a script."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from d3wrap.running.candidates import FILL_IN, Candidate, Data
from d3wrap.running.own_code import OwnCode
from d3wrap.running.survey import View


@dataclass(frozen=True)
class Proposal:
    """The text of a d3.yaml, and whether everything in it was found out."""

    text: str
    complete: bool


def propose(script: Path, view: View, data: Data | None, candidate: Candidate | None, own: OwnCode) -> Proposal:
    """Return a d3.yaml for a script; what could not be found out stands there as ``FILL_IN`` with what to write."""
    lines = [f"# d3.yaml for {script.name}; the names are those seen at {view.place}"]
    lines += _generator(candidate) if candidate is not None else _unknown(view, own)
    if candidate is not None and candidate.optimizer is not None:
        lines.append(f"optimizer: {candidate.optimizer}")
    else:
        lines.append("# optimizer: NAME      # left out: the first that steps and holds the generator's parameters")
    lines += _data(data)
    known = candidate is not None and candidate.complete
    complete = known and data is not None and data.recognised is not None
    return Proposal("\n".join(lines) + "\n", complete)


def _generator(candidate: Candidate) -> Iterator[str]:
    yield f"# {candidate.about}"
    if not candidate.certain:
        fill_in = "" if candidate.complete else f", and put what it is called with in the place of {FILL_IN}"
        yield f"# CHECK this against the script: it could not be known for certain{fill_in}"
    if candidate.sample:
        yield from ("sample:", *(f'  - "{line}"' for line in candidate.sample))
    else:
        yield f"generator: {candidate.name}"
    if candidate.output not in (None, 0):
        yield f"output: {candidate.output}"


def _unknown(view: View, own: OwnCode) -> Iterator[str]:
    yield "# No network was seen that gives features for semantics. How does the script generate? Perhaps by one of:"
    for network, name in view.networks().items():
        for method in _methods(network, own):
            yield f"#   {name}.{method}"
    yield f"sample: {FILL_IN}        # e.g. model.decode(noise(64), semantics)"


def _methods(network: nn.Module, own: OwnCode) -> Iterator[str]:
    """Yield the methods that the script's own class of a network has, with their arguments."""
    for name, value in inspect.getmembers(type(network), lambda one: isinstance(one, types.FunctionType)):
        if not name.startswith("_") and own.is_own(value.__code__.co_filename):
            arguments = list(inspect.signature(value).parameters)[1:]
            yield f"{name}({', '.join(arguments)})"


def _data(data: Data | None) -> Iterator[str]:
    if data is None:
        yield f"data: {FILL_IN}          # the script's loader object, or the names of its arrays:"
        yield "# data: {features: X, labels: y, semantics: S, seen: s, unseen: u, test_seen_features: …,"
        yield "#        test_seen_labels: …, test_unseen_features: …, test_unseen_labels: …}"
        return
    if data.recognised is None:
        yield f"# not understood: {data.fault}"
    if isinstance(data.name, str):
        yield f"data: {data.name}"
    else:
        yield "data:"
        yield from (f"  {part}: {name}" for part, name in data.name.items())
