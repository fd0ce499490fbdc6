"""Find out how a bare network is to be called, and call it so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.arguments import Order, argument_order, check_arguments
from d3wrap.attaching.modules import unwrapped
from d3wrap.attaching.roles import Argument, Noise
from d3wrap.attaching.watching import Call, Watch, shown, usable
from d3wrap.errors import ConfigError

ALWAYS = "sample=lambda semantics: ... (what your script calls to generate, with its own noise)"


@dataclass(frozen=True)
class Given:
    """What the user says of a network's calling convention; ``None`` is to be found out."""

    order: Order | None = None
    noise_dim: int | None = None
    noise: Noise | None = None
    call: Callable[[nn.Module, Tensor, Tensor], object] | None = None

    def __post_init__(self) -> None:
        if self.order not in (None, "noise, semantics", "semantics, noise"):
            raise ConfigError(f"order: expected 'noise, semantics' or 'semantics, noise', found {self.order!r}")
        if self.noise not in (None, "normal", "uniform"):
            raise ConfigError(f"noise: expected 'normal' or 'uniform', found {self.noise!r}")
        if self.noise_dim is not None and self.noise_dim < 1:
            raise ConfigError(f"noise_dim: expected 1 or more, found {self.noise_dim}")
        if self.call is not None and not callable(self.call):
            raise ConfigError(f"call: expected call=lambda network, noise, semantics: ..., found {self.call!r}")
        if self.call is not None and self.noise_dim is None:
            raise ConfigError("call= needs noise_dim=, the width of the noise it is given")


@dataclass(frozen=True)
class Calling:
    """A way to call ``network`` with class semantics; ``how`` tells how it was found out."""

    network: nn.Module
    call: Call
    how: str

    def __call__(self, semantics: Tensor) -> object:
        """Call the network for rows of semantics ``[n, k]``, with noise drawn from torch's global stream."""
        semantics = semantics.to(_like(self.network, semantics))
        given = {argument.where: _value(argument, semantics) for argument in self.call}
        args = [value for where, value in given.items() if isinstance(where, int)]
        return self.network(*args, **{where: value for where, value in given.items() if isinstance(where, str)})

    def __str__(self) -> str:
        return f"{type(unwrapped(self.network)).__name__}({', '.join(map(_words, self.call))}), {self.how}"


@dataclass(frozen=True)
class CallingBy:
    """The user's own ``call(network, noise, semantics)``."""

    network: nn.Module
    given: Given

    def __call__(self, semantics: Tensor) -> object:
        """Call it with noise drawn from torch's global stream."""
        assert self.given.call is not None
        assert self.given.noise_dim is not None
        semantics = semantics.to(_like(self.network, semantics))
        noise = _draw(self.given.noise or "normal", (len(semantics), self.given.noise_dim), semantics)
        return self.given.call(self.network, noise, semantics)

    def __str__(self) -> str:
        return f"call= with noise [n, {self.given.noise_dim}]"


def find_calling(network: nn.Module, given: Given, watch: Watch) -> Calling | CallingBy | None:
    """Return how to call ``network``, or ``None`` where the script has not called it yet and nothing else tells.

    Explicit arguments and what the script does are compared, names of arguments are taken where neither tells. Raises
    :class:`~d3wrap.errors.ConfigError` where they contradict each other, or where the script's calls do not settle it.
    """
    if given.call is not None:
        return CallingBy(network, given)
    called = _called(network, given, watch)
    named = given.order or _named(network)
    if called is not None:
        _agree(network, given, called, named)
        return Calling(network, called, "as the script calls it")
    if named is not None and given.noise_dim is not None:
        how = "order as given" if given.order else "order by the names of its arguments"
        return Calling(network, _from_names(named, given.noise_dim, given.noise or "normal"), how)
    if watch.others.get(network):
        raise unknown(network, given, watch)
    return None


def unknown(network: nn.Module, given: Given, watch: Watch) -> ConfigError:
    """Return the error that asks for the calling convention: what was seen, and what settles it."""
    name = type(unwrapped(network)).__name__
    calls = watch.others.get(network) or []
    named = given.order or _named(network)
    seen = "; ".join(f"{name}{shown(call)}" for call in calls) or "no call of it yet (its methods are not watched)"
    strange = [a for call in calls for a in call if a.role == "other" and a.shape]
    if len(strange) == 1 and sum("semantics" in a.role for call in calls for a in call):
        remedy = "noise='normal' (or 'uniform') if that is what it is given to generate from"
    elif named is not None:
        remedy = "noise_dim=, the width of its noise"
    else:
        remedy = "order='noise, semantics' or order='semantics, noise', with noise_dim="
    return ConfigError(
        f"cannot tell how to call {name} with noise and semantics. Seen: {seen}. Give {remedy}; or {ALWAYS}"
    )


def _called(network: nn.Module, given: Given, watch: Watch) -> Call | None:
    """Return the call to imitate: one that was understood, or whose noise the user names."""
    if network in watch.known:
        return watch.known[network]
    if given.noise is None:
        return None
    for call in watch.others.get(network, ()):
        renamed = tuple(
            replace(a, role="noise", noise=given.noise) if a.role == "other" and a.shape else a for a in call
        )
        if usable(renamed):
            return renamed
    return None


def _agree(network: nn.Module, given: Given, call: Call, named: Order | None) -> None:
    """Raise where what the user said is not what the script does."""
    found = [argument for argument in call if argument.role in ("noise", "semantics")]
    does = ", ".join(argument.role for argument in found)
    name = type(unwrapped(network)).__name__
    if given.order and len(found) == 2 and all(isinstance(a.where, int) for a in found) and does != given.order:
        raise ConfigError(
            f"order={given.order!r}, but the script calls {name}{shown(call)}, which is {does!r}: with the arguments "
            "swapped everything would run, and train the wrong model. Leave order= out"
        )
    width = next((math.prod(a.shape) for a in found if a.role == "noise"), None)
    if given.noise_dim and width and given.noise_dim != width:
        raise ConfigError(
            f"noise_dim={given.noise_dim}, but the script calls {name}{shown(call)}: leave noise_dim= out"
        )


def _named(network: nn.Module) -> Order | None:
    try:
        check_arguments(unwrapped(network))
        return argument_order(unwrapped(network))
    except ConfigError:
        return None


def _from_names(order: Order, noise_dim: int, noise: Noise) -> Call:
    return tuple(
        Argument(where, "noise", shape=(noise_dim,), noise=noise) if role == "noise" else Argument(where, "semantics")
        for where, role in enumerate(order.split(", "))
    )


def _value(argument: Argument, semantics: Tensor) -> object:
    rows, shape = semantics, argument.shape
    if argument.role == "constant":
        return argument.value
    if argument.role == "noise|semantics" or argument.role == "semantics|noise":
        noise = _draw(argument.noise, (len(rows), shape[0] - rows.shape[1]), rows)
        return torch.cat([noise, rows] if argument.role == "noise|semantics" else [rows, noise], 1)
    if argument.role == "noise":
        return _draw(argument.noise, (len(rows), *shape), rows)
    return rows.reshape(len(rows), *shape) if shape else rows


def _like(network: nn.Module, semantics: Tensor) -> Tensor:
    """Return a tensor of the device and the type that a network computes in."""
    return next((p for p in network.parameters() if p.is_floating_point()), semantics)


def _draw(noise: Noise | None, shape: tuple[int, ...], like: Tensor) -> Tensor:
    draw: Any = torch.rand if noise == "uniform" else torch.randn
    drawn: Tensor = draw(shape, dtype=like.dtype, device=like.device)
    return drawn


def _words(argument: Argument) -> str:
    where = f"{argument.where}=" if isinstance(argument.where, str) else ""
    kind = {"normal": "N(0, 1)", "uniform": "U(0, 1)"}.get(argument.noise or "", "")
    if argument.role == "constant":
        return f"{where}{argument.value!r}"
    if argument.role == "noise":
        return f"{where}noise {kind} [n, {', '.join(map(str, argument.shape))}]"
    if "|" in argument.role:
        return f"{where}[{argument.role.replace('|', ', ')}] {kind} [n, {argument.shape[0]}]"
    near = "" if argument.distance < 1e-3 or argument.distance == math.inf else " (changed by the script)"
    return f"{where}semantics{near}"
