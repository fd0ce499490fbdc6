"""What a field of a stored result may hold, said once, next to the field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from d3wrap.errors import DataError


class Check(NamedTuple):
    """What is expected, in words for the error message, and whether a value is that."""

    expected: str
    accepts: Callable[[Any], bool]

    def or_none(self) -> Check:
        """Return the check that lets ``None`` pass too."""
        return Check(f"{self.expected} or null", lambda value: value is None or self.accepts(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def one_of(*choices: str) -> Check:
    """Return the check for one of ``choices``."""
    return Check(" or ".join(map(repr, choices)), lambda value: isinstance(value, str) and value in choices)


def mapping_of(key: type, check: Check) -> Check:
    """Return the check for a mapping from ``key`` to what passes ``check``."""
    return Check(
        f"a mapping from {key.__name__} to {check.expected}",
        lambda value: isinstance(value, Mapping) and all(type(k) is key and check.accepts(v) for k, v in value.items()),
    )


FRACTION = Check("a fraction from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
SHARE = Check("a fraction above 0, at most 1", lambda value: FRACTION.accepts(value) and value > 0)
NUMBER = Check("a finite number", _is_number)
SECONDS = Check("seconds, 0 or more", lambda value: _is_number(value) and value >= 0)
INTEGER = Check("an integer", lambda value: isinstance(value, int) and not isinstance(value, bool))
COUNT = Check("an integer, 1 or more", lambda value: INTEGER.accepts(value) and value >= 1)
FLAG = Check("true or false", lambda value: isinstance(value, bool))
TEXT = Check("text, not empty", lambda value: isinstance(value, str) and bool(value))


def checked(check: Check, default: Any = dataclasses.MISSING) -> Any:
    """Return a dataclass field whose value :func:`check_fields` will check."""
    return dataclasses.field(default=default, metadata={"check": check})


def check_fields(record: Any) -> None:
    """Raise ``DataError`` naming the first field of a dataclass that does not hold what its check expects."""
    for field in dataclasses.fields(record):
        check, value = field.metadata["check"], getattr(record, field.name)
        if not check.accepts(value):
            raise DataError(f"{field.name}: expected {check.expected}, found {value!r}")
