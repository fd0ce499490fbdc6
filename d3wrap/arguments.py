"""Tell noise from semantics by the names that a network's ``forward`` gives its arguments."""

from __future__ import annotations

import inspect
from typing import Literal

from torch import nn

from d3wrap.errors import ConfigError

Order = Literal["noise, semantics", "semantics, noise"]
GIVE_CALL = "call=lambda network, noise, semantics: ..."
NOISE_NAMES = frozenset({"noise", "z", "eps", "epsilon", "latent", "noises"})
SEMANTIC_NAMES = frozenset(
    {
        "semantics",
        "semantic",
        "a",
        "att",
        "atts",
        "attribute",
        "attributes",
        "attr",
        "s",
        "c",
        "cond",
        "condition",
        "sem",
    }
)


def argument_order(network: nn.Module) -> Order:
    """Tell from the names of ``network.forward``'s first two arguments which is noise and which semantics.

    Raises :class:`~d3wrap.errors.ConfigError` where the names do not settle it: noise and semantics are often of the
    same width, and swapping them runs without an error and trains the wrong model.
    """
    names = [p.name for p in _parameters(network) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:2]
    kinds = [
        "noise" if n.lower() in NOISE_NAMES else "semantics" if n.lower() in SEMANTIC_NAMES else "?" for n in names
    ]
    if kinds == ["noise", "semantics"]:
        return "noise, semantics"
    if kinds == ["semantics", "noise"]:
        return "semantics, noise"
    raise ConfigError(
        f"cannot tell noise from semantics in {type(network).__name__}.forward({', '.join(names)}): "
        f"give order='noise, semantics' or order='semantics, noise', or {GIVE_CALL}"
    )


def check_arguments(network: nn.Module) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` where ``network.forward`` asks for more than two arguments by place."""
    named = [p for p in _parameters(network) if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p for p in named if p.default is p.empty]
    if len(required) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise ConfigError(
            f"{type(network).__name__}.forward needs {', '.join(p.name for p in required)}, and d3wrap has noise and "
            f"semantics: say how to call it with {GIVE_CALL}"
        )


def _parameters(network: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(network.forward).parameters.values())
    except ValueError:  # a traced network has no signature
        return []
