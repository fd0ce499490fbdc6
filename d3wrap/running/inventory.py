"""What there is in a script's scope that D³ could be attached to, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from d3wrap.foreign.names import ALIASES
from d3wrap.running.scope import Scope

DATA_ROLES = ("train_features", "features", "semantics", "seen_semantics", "seen", "unseen")
"""What the data loaders of such scripts hold; names for two of these make an object look like one."""


@dataclass(frozen=True)
class Inventory:
    """The networks, optimizers and data of one place where an optimizer stepped, each as name and description."""

    place: str
    names: frozenset[str]
    networks: tuple[tuple[str, str], ...]
    optimizers: tuple[tuple[str, str], ...]
    loaders: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, scope: Scope, stepping: Optimizer | None, place: str) -> Inventory:
        """Describe a scope; nothing of the script is kept."""
        named = list(objects_in(scope))
        networks = [(name, value) for name, value in named if isinstance(value, nn.Module)]
        optimizers = [(name, value) for name, value in named if isinstance(value, Optimizer)]
        return cls(
            place,
            frozenset(name for name, _ in scope.items()),
            tuple((name, describe_network(value)) for name, value in networks),
            tuple((name, _describe_optimizer(value, networks, value is stepping)) for name, value in optimizers),
            tuple((name, type(value).__name__) for name, value in named if looks_like_data(value)),
        )

    def lines(self) -> list[str]:
        """Return a table of what there is."""
        lines = [f"At {self.place} there are:"]
        for title, rows in (("networks", self.networks), ("optimizers", self.optimizers), ("data", self.loaders)):
            width = max((len(name) for name, _ in rows), default=0)
            shown = [f"{name:{width}}  {text}" for name, text in rows] or ["none"]
            lines += [f"  {'' if place else title + ':':12}{text}" for place, text in enumerate(shown)]
        return lines

    def same(self, other: Inventory) -> bool:
        """Say whether another place has the same networks and data."""
        return (self.networks, self.loaders) == (other.networks, other.loaders)


def objects_in(scope: Scope) -> Iterator[tuple[str, Any]]:
    """Yield networks, optimizers and data in a scope by name, also those that the script's objects hold."""
    seen: set[int] = set()
    for name, value in scope.items():
        held = list(_attributes(name, value))
        inside = [pair for text, one in held if isinstance(one, dict | list) for pair in _attributes(text, one)]
        for text, one in ((name, value), *held, *inside):
            if _matters(one) and id(one) not in seen:
                seen.add(id(one))
                yield text, one


def _attributes(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object of the script, or a dict or list of it, holds one level down."""
    if isinstance(value, dict):
        yield from ((f"{name}[{key!r}]", one) for key, one in list(value.items())[:50] if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from ((f"{name}[{index}]", one) for index, one in enumerate(value[:50]))
    elif isinstance(value, nn.Module) or not (callable(value) or isinstance(value, Optimizer)):
        held = {**getattr(value, "__dict__", {}), **getattr(value, "_modules", {})}
        for key, one in held.items():
            # A layer of a network is no network of the script's.
            layer = isinstance(value, nn.Module) and isinstance(one, nn.Module) and _is_torchs(one)
            if key.isidentifier() and key[0] != "_" and not layer:
                yield f"{name}.{key}", one


def _is_torchs(network: nn.Module) -> bool:
    return type(network).__module__.startswith("torch.")


def _matters(value: Any) -> bool:
    return isinstance(value, nn.Module | Optimizer) or looks_like_data(value)


def looks_like_data(value: Any) -> bool:
    """Say whether an object, or a mapping, holds what a loader of zero-shot data does, under names that are known."""
    if isinstance(value, Mapping):
        held = {key for key in value if isinstance(key, str)}
    elif isinstance(value, type | nn.Module | Optimizer | Tensor):
        return False
    else:
        held = set(getattr(value, "__dict__", ()))
    return sum(not held.isdisjoint(ALIASES[role]) for role in DATA_ROLES) >= 2


def describe_network(network: nn.Module) -> str:
    """Return class and number of parameters."""
    return f"{type(network).__name__}, {sum(p.numel() for p in network.parameters()):,} parameters"


def _describe_optimizer(optimizer: Optimizer, networks: Iterable[tuple[str, nn.Module]], stepping: bool) -> str:
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    of = [name for name, network in networks if own & {id(p) for p in network.parameters()}]
    step = ", the one that steps here" if stepping else ""
    return f"{type(optimizer).__name__} of {', '.join(of) or f'{len(own)} parameters'}{step}"


def near_names(name: str, known: Iterable[str]) -> str:
    """Return ``; near it: a, b`` for a name that is not there."""
    near = difflib.get_close_matches(name, [one for one in known if not one.startswith("_")], n=3)
    return f"; near it: {', '.join(near)}" if near else ""
