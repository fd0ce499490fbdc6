"""What a setting is searched among, as it is written: ``LOW..HIGH``, ``LOW..HIGH:log`` or ``a|b|c``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from d3wrap.config import parse_value
from d3wrap.config.scalars import describe, parse_scalar
from d3wrap.errors import ConfigError

EXPECTED = "expected LOW..HIGH, LOW..HIGH:log or a|b|c"
Scalar = None | bool | int | float | str


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included: whole ones where both are ``int``.

    ``log`` draws them evenly on a logarithmic scale. Raises :class:`~d3wrap.errors.ConfigError` where ``low`` is not
    below ``high``, or not above 0 with ``log``.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"expected a low end below the high end, found {self}")
        if self.log and self.low <= 0:
            raise ConfigError(f"expected a low end above 0 for a logarithmic scale, found {self}")

    @property
    def samples(self) -> tuple[float, ...]:
        """The values that say whether all of them are allowed: the ends."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Tell whether it is one of these values."""
        whole = isinstance(self.low, int)
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{':log' if self.log else ''}"


@dataclass(frozen=True)
class OneOf:
    """Two or more different values; raises :class:`~d3wrap.errors.ConfigError` for fewer, and for what is no scalar."""

    choices: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        for choice in self.choices:
            if not isinstance(choice, Scalar):
                raise ConfigError(f"expected numbers, texts, true, false or null, found {describe(choice)}")
        if len({(type(choice), choice) for choice in self.choices}) < max(len(self.choices), 2):
            raise ConfigError(f"expected two or more different values, found {self}")

    @property
    def samples(self) -> tuple[Scalar, ...]:
        """The values that say whether all of them are allowed: all of them."""
        return self.choices

    def holds(self, value: Any) -> bool:
        """Tell whether it is one of these values."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    def __str__(self) -> str:
        return "|".join(_text(choice) for choice in self.choices)


Values = Range | OneOf


def parse_values(given: object, where: str) -> Values:
    """Read values as somebody wrote them: text as above, or a list.

    Raises :class:`~d3wrap.errors.ConfigError`, which begins with ``where``, for anything else.
    """
    try:
        if isinstance(given, list | tuple):
            return OneOf(tuple(given))
        if isinstance(given, str) and "|" in given:
            return OneOf(tuple(_choice(part.strip()) for part in given.split("|")))
        if isinstance(given, str) and ".." in given:
            return _range(given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    raise ConfigError(f"{where}: {EXPECTED}, found {describe(given)}")


def _text(choice: Scalar) -> str:
    if choice is None:
        return "null"
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _choice(text: str) -> Any:
    if not text:
        raise ConfigError("expected a value between two |, found nothing; null is a value")
    return parse_value(text)


def _range(text: str) -> Range:
    ends, colon, scale = text.partition(":")
    low, high = (parse_scalar(part.strip()) for part in ends.split("..", 1))
    if not _numbers((low, high)) or (colon and scale.strip() != "log"):
        raise ConfigError(f"{EXPECTED}, found {text!r}")
    return Range(low, high, bool(colon))  # type: ignore[arg-type]


def _numbers(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
