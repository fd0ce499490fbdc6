"""Find the features in what a network returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from torch import Tensor

from d3wrap.errors import ConfigError

Output = int | str
"""Index in a tuple or list, key of a mapping, or name of an attribute."""


def features_in(result: object, output: Output | None, name: str) -> object:
    """Return the part ``output`` of what the network called ``name`` returned, by default the first of a tuple or list.

    A tensor is taken as it is, since a network may return several things in training mode and one in eval mode.
    Raises :class:`~d3wrap.errors.ConfigError` that lists the parts with their sizes where there is no such part, and
    where ``output`` is needed.
    """
    if isinstance(result, Tensor):
        return result
    parts = parts_of(result)
    if output is None:
        if isinstance(result, tuple | list) and result:
            return result[0]
        if not parts:
            return result
        first = next(iter(parts))
        raise ConfigError(f"{name} gave {described(result)}: say which are the features, e.g. output={first!r}")
    if output in parts:
        return parts[output]
    if isinstance(output, int) and isinstance(result, tuple | list) and -len(result) <= output < len(result):
        return result[output]
    if isinstance(output, str) and not isinstance(result, Mapping) and hasattr(result, output):
        return getattr(result, output)
    raise ConfigError(f"output={output!r}: {name} gave {described(result)}, expected one of these")


def parts_of(result: object) -> dict[Output, object]:
    """Return the parts of a tuple, list, named tuple, mapping, dataclass or other object by index, key or name."""
    if isinstance(result, Mapping):
        return dict(result)
    if isinstance(result, tuple | list):
        return dict(zip(getattr(result, "_fields", range(len(result))), result, strict=True))
    if dataclasses.is_dataclass(result):
        return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return dict(getattr(result, "__dict__", {}))


def described(result: object) -> str:
    """Return what a network gave in words: its type, and each part with its size."""
    if isinstance(result, Tensor):
        return str(tuple(result.shape))
    parts = ", ".join(
        f"{part!r}: {tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__}"
        for part, value in parts_of(result).items()
    )
    return f"a {type(result).__name__} of {parts or 'nothing'}"
