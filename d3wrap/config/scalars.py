"""What a plain YAML scalar means: the core schema of YAML 1.2, not PyYAML's 1.1."""

from __future__ import annotations

import math
import re
import textwrap

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_WORDS = {
    word: value
    for value, words in {
        None: ("", "~", "null", "Null", "NULL"),
        True: ("true", "True", "TRUE"),
        False: ("false", "False", "FALSE"),
    }.items()
    for word in words
}

LONGEST_NUMBER = 100
"""Characters of the longest text that is read as a number."""

Scalar = None | bool | int | float | str


def parse_scalar(text: str) -> Scalar:
    """Return what the unquoted ``text`` means.

    ``1e-4`` and ``.5`` are floats, ``012`` is twelve and ``0o12`` ten; ``yes``, ``on``, ``1:30``, dates and
    ``1_000`` are text. So are ``.nan`` and numbers too large for a float, since no setting can be one.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, base=0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else text
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def describe(value: object) -> str:
    """Name a value read from YAML for an error message, e.g. ``the text 'abc'``."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the text {textwrap.shorten(value, 60)!r}"
    if isinstance(value, int | float):
        return f"the {'integer' if isinstance(value, int) else 'number'} {value}"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
