"""Read the values of a d3.yaml: each reader takes a value with its place and returns it checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from d3wrap.config import Override, apply_overrides
from d3wrap.config.scalars import describe
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.foreign.names import ALIASES
from d3wrap.running.expression import Lines, parse_lines
from d3wrap.running.given import Given
from d3wrap.running.names import Name, parse_name
from d3wrap.settings import D3Settings

DATA_PARTS = tuple(ALIASES)
"""Parts of the data that a mapping may name; see :func:`d3wrap.foreign.foreign_dataset`."""
CLASSIFIERS = ("softmax", "student", "embedding")


def name(given: Given) -> Name:
    """Read a dotted name."""
    return parse_name(given.value, given.where())


def names(given: Given) -> tuple[Name, ...]:
    """Read a dotted name or a list of them."""
    if not isinstance(given.value, list):
        return (name(given),)
    if not given.value:
        raise _error(given, "a name or a list of names")
    return tuple(parse_name(text, given.where(index)) for index, text in enumerate(given.value))


def lines(given: Given, inputs: Collection[str]) -> Lines:
    """Read lines of the small language."""
    return parse_lines(given.value, given.where, inputs)


def data(given: Given) -> Name | Mapping[str, Name]:
    """Read the name of a loader object, or a name for each part of the data."""
    if not isinstance(given.value, Mapping):
        return name(given)
    below = given.below()
    for part, one in below.items():
        if part not in DATA_PARTS:
            raise ConfigError(f"{one.where()}: unknown part of the data{did_you_mean(part, DATA_PARTS)}")
    return {part: name(one) for part, one in below.items()}


def real(given: Given) -> tuple[Name, Name]:
    """Read the names of the current batch's features and labels."""
    below = given.below()
    if set(below) != {"features", "labels"}:
        found = ", ".join(below) or "nothing"
        raise ConfigError(f"{given.where()}: expected features: NAME and labels: NAME, found {found}")
    return name(below["features"]), name(below["labels"])


def size_or_name(given: Given) -> int | Name:
    """Read a size, or the name of one (``opt.nz``)."""
    return name(given) if isinstance(given.value, str) else integer(1)(given)


def choice(*allowed: str) -> Callable[[Given], str]:
    """Return a reader of one of a few words."""

    def read(given: Given) -> str:
        if given.value not in allowed:
            raise _error(given, " or ".join(map(repr, allowed)))
        return str(given.value)

    return read


def integer(least: int) -> Callable[[Given], int]:
    """Return a reader of a whole number of at least ``least``."""

    def read(given: Given) -> int:
        if isinstance(given.value, bool) or not isinstance(given.value, int) or given.value < least:
            raise _error(given, f"a whole number of {least} or more")
        return given.value

    return read


def number(given: Given) -> float:
    """Read a number of 0 or more."""
    if isinstance(given.value, bool) or not isinstance(given.value, int | float) or given.value < 0:
        raise _error(given, "a number of 0 or more")
    return float(given.value)


def boolean(given: Given) -> bool:
    """Read true or false."""
    if not isinstance(given.value, bool):
        raise _error(given, "true or false")
    return given.value


def output(given: Given) -> int | str:
    """Read which of several outputs holds the features: its place from 0, or its name."""
    if isinstance(given.value, bool) or not isinstance(given.value, int | str):
        raise _error(given, "the place of an output (0, 1, …) or its name")
    return given.value


def d3_settings(given: Mapping[str, Given]) -> dict[str, Any]:
    """Read fields of :class:`~d3wrap.settings.D3Settings`."""
    overrides = [Override(key, one.value, one.where()) for key, one in given.items() if one.value is not None]
    settings = apply_overrides(D3Settings(), overrides)
    return {one.key: getattr(settings, one.key) for one in overrides}


def evaluation(given: Mapping[str, Given]) -> dict[str, Any]:
    """Read options of the evaluation at the end."""
    readers: dict[str, Callable[[Given], Any]] = {
        "synthetic_per_class": integer(1),
        "embedding_dim": integer(1),
        "classifiers": _classifiers,
    }
    for key, one in given.items():
        if key not in readers:
            raise ConfigError(f"{one.where()}: unknown option of the evaluation{did_you_mean(key, readers)}")
    return {key: readers[key](one) for key, one in given.items()}


def _classifiers(given: Given) -> tuple[str, ...]:
    chosen = given.value if isinstance(given.value, list) else str(given.value).replace(" ", "").split(",")
    for one in chosen:
        if one not in CLASSIFIERS:
            raise ConfigError(f"{given.where()}: no classifier is called {one!r}{did_you_mean(str(one), CLASSIFIERS)}")
    return tuple(chosen)


def _error(given: Given, expected: str) -> ConfigError:
    return ConfigError(f"{given.where()}: expected {expected}, found {describe(given.value)}")
