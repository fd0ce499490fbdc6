"""Compare how ``sample=`` calls a network with how the script does."""

from __future__ import annotations

import inspect

from torch import nn

from d3wrap.attaching.modules import unwrapped
from d3wrap.attaching.watching import Call, Watch, shown
from d3wrap.errors import ConfigError


def check_same_places(script: Watch, ours: Watch) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` where semantics go to another argument than in the script's calls.

    Noise and semantics are often of one width: swapped, everything runs, and the wrong model is trained.
    """
    for network in ours.networks:
        theirs, mine = _place(script, network), _place(ours, network)
        if theirs is not None and mine is not None and theirs[0] != mine[0]:
            name = type(unwrapped(network)).__name__
            raise ConfigError(
                f"sample calls {name}{shown(mine[1])}, but the script calls {name}{shown(theirs[1])}: semantics "
                f"are its argument {theirs[0]!r}, not {mine[0]!r}. Swap them in sample="
            )


def _place(watch: Watch, network: nn.Module) -> tuple[str, Call] | None:
    """Return the name of the argument that holds semantics in every call seen, and one such call."""
    calls = [watch.known[network]] if network in watch.known else watch.others.get(network, [])
    places = {_argument(network, a.where) + (a.role if "|" in a.role else ""): call
              for call in calls for a in call if "semantics" in a.role}  # fmt: skip
    return next(iter(places.items())) if len(places) == 1 else None


def _argument(network: nn.Module, where: int | str) -> str:
    if isinstance(where, str):
        return where
    names = list(inspect.signature(unwrapped(network).forward).parameters)
    return names[where] if where < len(names) else str(where)
