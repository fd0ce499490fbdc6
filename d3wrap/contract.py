"""What the contract checks of generators and objectives share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from d3wrap.errors import D3WrapError, PluginError


@dataclass(frozen=True)
class Check:
    """One point of the contract, and what is wrong there (``None``: nothing)."""

    name: str
    fault: str | None


def tried(name: str, check: Callable[..., object], *arguments: Any) -> Check:
    """Return the outcome of ``check``, which raises where something is wrong."""
    try:
        check(*arguments)
    except D3WrapError as error:
        return Check(name, str(error))
    except Exception as error:
        return Check(name, f"{type(error).__name__}: {error}")
    return Check(name, None)


def require(condition: bool, fault: str) -> None:
    """Raise :class:`~d3wrap.errors.PluginError` unless ``condition`` holds."""
    if not condition:
        raise PluginError(fault)


@contextlib.contextmanager
def global_stream_untouched() -> Iterator[None]:
    """Require that the block draws nothing from torch's global random stream."""
    before = torch.get_rng_state()
    yield
    untouched = torch.equal(before, torch.get_rng_state())
    require(untouched, "draws from torch's global stream; draw from rng, or paired runs are not paired")
