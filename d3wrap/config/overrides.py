"""Change fields of a settings dataclass by name, with values checked against their annotations."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, Union

from d3wrap.config.loader import parse_value
from d3wrap.config.scalars import describe
from d3wrap.errors import ConfigError, did_you_mean

Settings = TypeVar("Settings")


class Override(NamedTuple):
    """A value for one field, and where it was given (``--set hidden`` or ``run.yaml:7: set.hidden``)."""

    key: str
    value: Any
    where: str


class _Mismatch(Exception):
    """The value does not fit; the message is what was expected."""


def apply_overrides(
    settings: Settings, overrides: Mapping[str, Any] | Iterable[Override], where: str = "--set"
) -> Settings:
    """Return a copy of a settings dataclass with some fields changed; of repeated keys the last counts.

    ``overrides`` are pairs of field and value (``where`` tells error messages where they came from), or what
    a ``KEY=VALUE`` option gives. An integer fits a float field, a boolean fits only a boolean one, a list or
    comma-separated text fits a tuple. Raises ``ConfigError`` that names the field: unknown, of another type,
    or refused by the dataclass's own ``__post_init__``.
    """
    if isinstance(overrides, Mapping):
        overrides = [Override(key, value, f"{where} {key}") for key, value in overrides.items()]
    last = {override.key: override for override in overrides}
    if not last:
        return settings
    hints = typing.get_type_hints(type(settings))
    names = [field.name for field in dataclasses.fields(settings) if field.init]  # type: ignore[arg-type]
    changes = {}
    for key, value, place in last.values():
        if key not in names:
            kind = type(settings).__name__
            raise ConfigError(f"{place}: {kind} has no setting {key!r}{did_you_mean(key, names)}")
        try:
            changes[key] = _fit(hints[key], value)
        except _Mismatch as mismatch:
            raise ConfigError(f"{place}: expected {mismatch}, found {describe(value)}") from None
    try:
        return dataclasses.replace(settings, **changes)  # type: ignore[type-var]
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{_blame(last, str(error))}: {error}") from error


def _blame(overrides: Mapping[str, Override], message: str) -> str:
    """Return where the overrides were given that ``message`` names, or all of them if it names none."""
    named = [override for key, override in overrides.items() if re.search(rf"\b{key}\b", message)]
    return ", ".join(override.where for override in named or overrides.values())


def _fit(hint: Any, value: Any) -> Any:
    """Return ``value`` as the type ``hint`` asks for, or raise ``_Mismatch``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _fit_any(arguments, value)
    if origin is Literal:
        for choice in arguments:
            if type(choice) is type(value) and choice == value:
                return choice
        raise _Mismatch(f"one of {', '.join(map(repr, arguments))}")
    if origin is tuple:
        return _fit_tuple(arguments, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _Mismatch("a mapping")
        return {_fit(arguments[0], key): _fit(arguments[1], item) for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise _Mismatch(_describe_type(hint))


def _fit_any(hints: tuple[Any, ...], value: Any) -> Any:
    expected = []
    for hint in hints:
        try:
            return _fit(hint, value)
        except _Mismatch as mismatch:
            expected.append(str(mismatch))
    raise _Mismatch(" or ".join(expected))


def _fit_tuple(hints: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if isinstance(value, str):
        value = [parse_value(part) for part in value.split(",")]
    if not isinstance(value, list | tuple):
        raise _Mismatch("a list")
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(value) != len(hints):
        raise _Mismatch(f"a list of {len(hints)}")
    try:
        return tuple(_fit(hint, item) for hint, item in zip(hints, value, strict=True))
    except _Mismatch as mismatch:
        raise _Mismatch(f"a list with {mismatch} in each place") from None


def _describe_type(hint: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return names.get(hint, f"a value of type {getattr(hint, '__name__', hint)}")
