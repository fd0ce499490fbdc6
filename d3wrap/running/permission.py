"""What the lines of a configuration may call: the script's own code, networks and tensors, nothing else."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.running.functions import FUNCTIONS, TENSOR_METHODS
from d3wrap.running.own_code import OwnCode

DISTRIBUTION_METHODS = ("rsample", "sample")
NETWORK_METHODS = ("decode", "encode", "forward", "generate", "inverse", "reverse", "rsample", "sample")
"""What lines may call on a network whose class is a library's: nothing that saves, loads or changes it."""


def refusal(called: Callable[..., Any] | Any, own: OwnCode) -> str | None:
    """Return why an object may not be called from a configuration, or None where it may.

    Allowed: networks, functions and methods written in the script's own files, on a library's networks
    :data:`NETWORK_METHODS`, on tensors :data:`~d3wrap.running.functions.TENSOR_METHODS`, and draws from distributions.
    """
    if isinstance(called, types.MethodType):
        return _method_refusal(called, own)
    if isinstance(called, types.FunctionType):
        return None if own.is_own(called.__code__.co_filename) else _elsewhere(called)
    if isinstance(called, types.BuiltinMethodType) and isinstance(called.__self__, Tensor):
        return _tensor_refusal(called.__name__)
    if isinstance(called, nn.Module):
        return None
    if isinstance(called, type):
        return f"{called.__name__} is a class; make the object in a function of the script"
    call = vars(type(called)).get("__call__")
    if isinstance(call, types.FunctionType) and own.is_own(call.__code__.co_filename):
        return None
    name = getattr(called, "__name__", type(called).__name__)
    return f"{name} is not written in the script's folder; {_instead()}"


def _method_refusal(method: types.MethodType, own: OwnCode) -> str | None:
    owner, function = method.__self__, method.__func__
    code = getattr(function, "__code__", None)
    if code is not None and own.is_own(code.co_filename):
        return None
    if isinstance(owner, Tensor):
        return _tensor_refusal(method.__name__)
    if isinstance(owner, torch.distributions.Distribution) and method.__name__ in DISTRIBUTION_METHODS:
        return None
    if isinstance(owner, nn.Module):
        if method.__name__ in NETWORK_METHODS:
            return None
        return f"of a library's network only {', '.join(NETWORK_METHODS)} may be called; {_instead()}"
    return _elsewhere(method)


def _tensor_refusal(name: str) -> str | None:
    if name in TENSOR_METHODS:
        return None
    return f"the tensor method {name!r} is not among those allowed ({', '.join(sorted(TENSOR_METHODS))})"


def _elsewhere(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__} is not written in the script's folder; {_instead()}"


def _instead() -> str:
    return f"write a function in the script, or use {', '.join(sorted(FUNCTIONS))}"
