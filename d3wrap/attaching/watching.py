"""Watch how a script calls its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module
from torch.nn.modules.module import register_module_forward_hook

from d3wrap.attaching.roles import Argument, arguments_of

LOOKS = 20
"""Calls of one network that are looked at, until semantics are found among their arguments."""
SHOWN = 3

Call = tuple[Argument, ...]


class Watch:
    """Sees every call of some networks until it knows, for each, which argument holds class semantics.

    It is a hook of torch's on all modules, not on the networks themselves: they stay as they are, for ``pickle`` and
    ``deepcopy`` too. It reads arguments and touches nothing. ``table`` gives the semantics ``[C, k]``.
    """

    def __init__(self, networks: Iterable[nn.Module], table: Callable[[], Tensor]) -> None:
        self.known: dict[nn.Module, Call] = {}
        self.others: dict[nn.Module, list[Call]] = {network: [] for network in networks}
        self.networks = list(self.others)
        self.ignoring = False
        self._table = table
        self._looks = dict.fromkeys(self.others, 0)
        self._hook = register_module_forward_hook(self._see, with_kwargs=True) if self.others else None

    def stop(self) -> None:
        """Take the hook away."""
        if self._hook is not None:
            self._hook.remove()
            getattr(module, "_global_forward_hooks_with_kwargs", {}).pop(self._hook.id, None)  # torch 2.13 leaves it
            self._hook = None

    def _see(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], _: object) -> None:
        if self.ignoring or network not in self._looks:
            return
        self._looks[network] += 1
        with torch.no_grad():
            call = arguments_of(args, kwargs, self._table().detach())
        if usable(call):
            self.known[network] = call
        elif len(self.others[network]) < SHOWN:
            self.others[network].append(call)
        if network in self.known or self._looks[network] >= LOOKS:
            del self._looks[network]
        if not self._looks:
            self.stop()


def usable(call: Call) -> bool:
    """Tell whether a call can be made again from semantics alone: semantics once, noise at most once, constants."""
    roles = [argument.role for argument in call]
    semantic = sum("semantics" in role for role in roles)
    noise = [a for a in call if "noise" in a.role]
    return semantic == 1 and len(noise) <= 1 and all(a.noise for a in noise) and "other" not in roles


def shown(call: Call) -> str:
    """Return a call in words: ``(float32 [64, 16], c=float32 [64, 16] of the semantics table)``."""
    return f"({', '.join(argument.text for argument in call)})"
