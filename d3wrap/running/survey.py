"""Watch a script until its generator steps: its calls of networks, its optimizers, and what data it holds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from d3wrap.outputs import Output, parts_of
from d3wrap.running.inventory import Inventory, objects_in
from d3wrap.running.own_code import OwnCode
from d3wrap.running.scope import Scope, scope_of

CALLS = 3
"""Calls of each network that are kept."""
ROWS = 64
"""Rows of each argument that are kept."""
LOOKS = 3
"""Steps of each optimizer at which it is asked whether enough was seen."""


@dataclass(frozen=True)
class Seen:
    """One call of a network: its arguments, cut to :data:`ROWS` rows, and the shape of each output by its place."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: Mapping[Output | None, tuple[int, ...]]


@dataclass(frozen=True)
class View:
    """What was seen up to an optimizer's step: the optimizer, the scope there, and the calls of each network so far."""

    stepping: Optimizer
    scope: Scope
    place: str
    calls: Mapping[nn.Module, list[Seen]]

    def named(self, kind: type) -> Iterator[tuple[str, Any]]:
        """Yield the objects of a kind that have a name in the scope, the shortest way to each first."""
        for name, value in objects_in(self.scope):
            if isinstance(value, kind):
                yield name, value

    def networks(self) -> dict[nn.Module, str]:
        """Return every network and every network inside one, with the name that leads there."""
        names: dict[nn.Module, str] = {}
        for name, network in self.named(nn.Module):
            for path, inner in network.named_modules():
                found = name + "".join(
                    f"[{part}]" if part.isdigit() else f".{part}" for part in path.split(".") if part
                )
                if inner not in names or found.count(".") + found.count("[") < names[inner].count(".") + names[
                    inner
                ].count("["):
                    names[inner] = found
        return names

    def inventory(self) -> Inventory:
        """Describe the networks, optimizers and data of the scope."""
        return Inventory.of(self.scope, self.stepping, self.place)


class Survey:
    """Hooks on all networks and optimizers of the process; use as a context manager.

    ``enough(view, settle, late)`` is called at the first :data:`LOOKS` steps of each optimizer, and at every step once
    ``seconds`` have passed since the first. ``settle`` is true at the last of an optimizer's looks, ``late`` when time
    is up.
    """

    def __init__(
        self, own: OwnCode, main: Mapping[str, Any], enough: Callable[[View, bool, bool], None], seconds: float
    ) -> None:
        self.own, self.main, self.enough, self.seconds = own, main, enough, seconds
        self.active = True
        self.last: View | None = None
        self._calls: dict[nn.Module, list[Seen]] = {}
        self._steps: dict[Optimizer, int] = {}
        self._began = 0.0

    def __enter__(self) -> Survey:
        self._hooks = [
            register_module_forward_hook(self._after_call, with_kwargs=True),
            register_optimizer_step_pre_hook(self._before_step),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def _after_call(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> None:
        calls = self._calls.setdefault(network, [])
        if self.active and len(calls) < CALLS:
            parts = {None: result} if isinstance(result, Tensor) else parts_of(result)
            shapes = {place: tuple(part.shape) for place, part in parts.items() if isinstance(part, Tensor)}
            calls.append(Seen(tuple(map(_cut, args)), {name: _cut(value) for name, value in kwargs.items()}, shapes))

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self.active:
            return
        count = self._steps[optimizer] = self._steps.get(optimizer, 0) + 1
        now = time.perf_counter()
        self._began = self._began or now
        late = now - self._began > self.seconds
        if count <= LOOKS or late:
            frame = sys._getframe(1)
            scope = scope_of(frame, self.own, self.main)
            self.last = View(optimizer, scope, self.own.place(frame), self._calls)
            self.enough(self.last, count >= LOOKS, late)


def _cut(value: Any) -> Any:
    """Return a copy of the first rows of a tensor, and anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    with torch.no_grad():
        return value.detach()[:ROWS].clone() if value.ndim else value.detach().clone()
