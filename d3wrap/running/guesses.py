"""Guess how a script generates where no network was seen doing it: try methods like ``decode(z, c)`` on a few rows."""

from __future__ import annotations

import inspect
import itertools
import types
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from d3wrap.arguments import NOISE_NAMES, SEMANTIC_NAMES
from d3wrap.attaching.isolation import isolated
from d3wrap.attaching.roles import arguments_of
from d3wrap.data import GZSLDataset
from d3wrap.running.attaching import sampler
from d3wrap.running.candidates import Candidate, Data, is_own_network, optimizer_of
from d3wrap.running.expression import SAMPLE_INPUTS, parse_lines
from d3wrap.running.inventory import describe_network
from d3wrap.running.own_code import OwnCode
from d3wrap.running.survey import View

WORDS = ("sample", "generat", "decode", "synth", "inverse", "reverse")
"""Words in the names of methods that generate, the likeliest first."""
WIDEST = 8192
TRIES = 300
"""Calls that are tried at most."""


def guessed_candidates(view: View, data: Data, own: OwnCode) -> Iterator[Candidate]:
    """Yield lines that call a generating method of a network and were found to give features.

    Arguments are told by their names, as for a network; the width of the noise by what the network accepts, among the
    sizes it holds. Features must carry gradients. Each try leaves no trace in random streams and buffers.
    """
    assert data.recognised is not None
    dataset = data.recognised.dataset
    tables = ["semantics", *(f"{name}(semantics)" for name in _embeddings(view, dataset))]
    tries = itertools.count()
    for network, name in view.networks().items():
        if not is_own_network(network, own):
            continue
        for method, kinds in _methods(network, own):
            for width, table in itertools.product(_widths(network, dataset) if "noise" in kinds else (0,), tables):
                inputs = ", ".join(f"noise({width})" if kind == "noise" else table for kind in kinds)
                line = f"{name}.{method}({inputs})"
                if next(tries) >= TRIES:
                    return
                if _gives_features((line,), view, dataset, own):
                    optimizer, here = optimizer_of(view, network)
                    about = f"{describe_network(network)}; {method} was tried, and gives features"
                    yield Candidate(name, about, False, (line,), None, optimizer, here)
                    break
    yield from _through_latents(view, dataset, own)


def _through_latents(view: View, dataset: GZSLDataset, own: OwnCode) -> Iterator[Candidate]:
    """Yield chains of an encoder from semantics to mean and log variance, and a decoder from there to features."""
    named = list(view.named(nn.Module))
    for encoder_name, encoder in named:
        width = _latent_width(view, encoder, dataset)
        for name, network in named if width else ():
            calls = [seen for seen in view.calls.get(network, ()) if list(seen.outputs) == [None]]
            if any(len(seen.args) == 1 and tuple(getattr(seen.args[0], "shape", ()))[1:] == (width,) for seen in calls):
                lines = (f"mu, logvar = {encoder_name}(semantics)", f"{name}(mu + noise({width}) * exp(logvar / 2))")
                if _gives_features(lines, view, dataset, own):
                    optimizer, here = optimizer_of(view, network)
                    about = f"{describe_network(network)}; tried with what {encoder_name} makes of semantics"
                    yield Candidate(name, about, False, lines, None, optimizer, here)


def _latent_width(view: View, network: nn.Module, dataset: GZSLDataset) -> int | None:
    """Return the width w of a network that was given semantics alone and gave two tensors ``[n, w]``."""
    for seen in view.calls.get(network, ()):
        shapes = list(seen.outputs.values())
        roles = [one.role for one in arguments_of(seen.args, seen.kwargs, dataset.semantics)]
        if roles == ["semantics"] and len(shapes) == 2 and shapes[0] == shapes[1] and len(shapes[0]) == 2:
            return shapes[0][1]
    return None


def _methods(network: nn.Module, own: OwnCode) -> Iterator[tuple[str, list[str]]]:
    """Yield the generating methods whose arguments are noise and semantics by name, with these in order."""
    functions = inspect.getmembers(type(network), lambda one: isinstance(one, types.FunctionType))
    named = {name: value for name, value in functions if name[0] != "_" and own.is_own(value.__code__.co_filename)}
    for method in sorted(named, key=lambda name: [word not in name.lower() for word in WORDS]):
        given = list(inspect.signature(named[method]).parameters.values())[1:]
        names = [one.name.lower() for one in given if one.default is one.empty]
        kinds = ["noise" if n in NOISE_NAMES else "semantics" if n in SEMANTIC_NAMES else "?" for n in names]
        if any(word in method.lower() for word in WORDS) and sorted(kinds) in (["noise", "semantics"], ["semantics"]):
            yield method, kinds


def _widths(network: nn.Module, dataset: GZSLDataset) -> list[int]:
    """Return the sizes that a network, its parts and its options hold, for the noise to have."""
    held = [vars(part) for part in network.modules()]
    held += [vars(value) for value in vars(network).values() if hasattr(value, "__dict__")]
    sizes = [size for values in held for size in values.values() if type(size) is int and 1 < size <= WIDEST]
    return list(dict.fromkeys([dataset.feature_dim, dataset.semantic_dim, *sizes]))


def _embeddings(view: View, dataset: GZSLDataset) -> Iterator[str]:
    """Yield the named networks that were given class semantics alone, and gave one tensor."""
    for name, network in view.named(nn.Module):
        for seen in view.calls.get(network, ())[:1]:
            roles = [one.role for one in arguments_of(seen.args, seen.kwargs, dataset.semantics)]
            if roles == ["semantics"] and list(seen.outputs) == [None]:
                yield name


def _gives_features(texts: tuple[str, ...], view: View, dataset: GZSLDataset, own: OwnCode) -> bool:
    lines = parse_lines(list(texts), lambda *_: "a guess", SAMPLE_INPUTS)
    roots, missing = view.scope.resolve(lines.names)
    if missing:
        return False
    like = next((p for value in roots.values() if isinstance(value, nn.Module) for p in value.parameters()), None)
    table = dataset.semantics if like is None else dataset.semantics.to(like)
    try:
        with torch.enable_grad(), isolated(0, "guess", table.device):
            found = sampler(lines, roots, own)(table[:3], torch.arange(3))
    except Exception:  # a wrong guess fails in any way
        return False
    return isinstance(found, Tensor) and tuple(found.shape) == (3, dataset.feature_dim) and found.requires_grad
