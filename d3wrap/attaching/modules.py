"""Find the networks that a function uses, by looking and without calling it."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping

from torch import nn

DEPTH = 3
"""How many functions and containers deep a network is looked for."""


def modules_in(value: object) -> list[nn.Module]:
    """Return the networks that ``value`` is, holds or, as a function, names: each once, outermost first.

    Functions are searched in their closure, defaults and the globals they name; methods and ``functools.partial`` in
    what they are bound to; objects, mappings and sequences in what they hold.
    """
    return list(dict.fromkeys(_find(value, DEPTH, set())))


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the network inside ``DataParallel``, or a compiled one."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return unwrapped(module.module)
    original = getattr(module, "_orig_mod", None)
    return unwrapped(original) if isinstance(original, nn.Module) else module


def _find(value: object, depth: int, passed: set[int]) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
        return
    if depth < 0 or id(value) in passed or isinstance(value, types.ModuleType | type):
        return
    passed.add(id(value))
    for part in _parts(value):
        yield from _find(part, depth - 1, passed)


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, types.MethodType):
        yield value.__self__
        yield value.__func__
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, types.FunctionType):
        names = value.__code__.co_names
        yield from (value.__globals__[name] for name in names if name in value.__globals__)
        for cell in value.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield from value.__defaults__ or ()
    elif isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif type(value).__module__ not in ("builtins", "torch", "numpy") and hasattr(value, "__dict__"):
        yield from list(vars(value).values())
