"""What it costs to call a batch hook, through pluggy and frozen."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Mapping

import pluggy
import torch
from torch import Tensor

from d3wrap import hookimpl, hookspecs
from d3wrap.batch import D3Batch
from d3wrap.manager import load_plugins

COUNTS = (1, 5)


class Constant:
    """A plugin that costs nothing itself."""

    def __init__(self) -> None:
        self.losses = {"loss": torch.zeros(())}

    @hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return the same loss every time."""
        return self.losses


def microseconds(calls: int, rounds: int) -> dict[str, float]:
    """Return the cost of one call of ``on_batch``, with 1 and with 5 plugins, pluggy's and ours.

    It is the best of the rounds, since all that can happen to so short a call is that something else makes it longer.
    Ours also checks what each plugin returned.
    """
    installed = load_plugins(environ={"D3WRAP_PLUGINS": "clswgan"})
    found: dict[str, float] = {}
    for count in COUNTS:
        plugins = {f"plugin{index}": Constant() for index in range(count)}
        manager = pluggy.PluginManager("d3wrap")
        manager.add_hookspecs(hookspecs)
        for name, plugin in plugins.items():
            manager.register(plugin, name)
        ways: dict[str, Callable[..., object]] = {
            "pluggy": manager.hook.on_batch,
            "frozen": installed.freeze("on_batch", plugins),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, call in ways.items():
                times[way].append(timeit.timeit(lambda call=call: call(batch=None), number=calls))  # type: ignore[misc]
        for way, measured in times.items():
            found[f"{way}, {count} plugin{'s' * (count > 1)}"] = min(measured) / calls * 1e6
    return found
