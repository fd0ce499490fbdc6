"""Read ``artefacts.json`` back, trusting nothing in it."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from d3wrap.comparison.artefacts import FILE, SCHEMA
from d3wrap.errors import DataError
from d3wrap.evaluation.rows import Outcomes

Value = TypeVar("Value")
Point = tuple[float, float]


@dataclass(frozen=True)
class ClassInfo:
    """A class: its name, whether it is unseen, and how many test images it has."""

    name: str
    unseen: bool
    test_images: int


@dataclass(frozen=True)
class Projection:
    """Features of a few unseen classes, real and generated, in the plane of the real ones' principal components."""

    explained: tuple[float, float]
    real: Mapping[int, Sequence[Point]]
    generated: Mapping[int, Sequence[Point]]


@dataclass(frozen=True)
class Pictures:
    """Pictures of unseen classes, each ``height · width`` bytes, 255 for black."""

    height: int
    width: int
    real: Mapping[int, Sequence[bytes]]
    generated: Mapping[int, Sequence[bytes]]


@dataclass(frozen=True)
class Artefacts:
    """What one run keeps for the report; ``reasons`` say why a part is ``None``."""

    classes: Mapping[int, ClassInfo]
    curves: Mapping[str, Sequence[Point]]
    """Points (U, S) by classifier, U ascending."""
    outcomes: Mapping[str, Outcomes]
    """Which test images were right, by classifier."""
    projection: Projection | None
    pictures: Pictures | None
    reasons: Mapping[str, str]


def read_artefacts(folder: Path) -> Artefacts:
    """Return what :func:`~d3wrap.comparison.artefacts.write_artefacts` wrote into a run's folder.

    Raises :class:`~d3wrap.errors.DataError` naming the file and the part that is missing or is not as it was written.
    """
    path = folder / FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; the run was made by an earlier version, or did not end") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    try:
        found = _mapping(stored, "content")
        if found.get("schema") != SCHEMA:
            raise DataError(f"schema: expected {SCHEMA!r}, found {found.get('schema')!r}")
        return Artefacts(
            classes=_by_class(found.get("classes"), "classes", _class),
            curves={name: _curve(one) for name, one in _mapping(found.get("curves"), "curves").items()},
            outcomes=_outcomes(found.get("outcomes")),
            projection=None if found.get("projection") is None else _projection(found["projection"]),
            pictures=None if found.get("pictures") is None else _pictures(found["pictures"]),
            reasons={name: _text(why) for name, why in _mapping(found.get("reasons"), "reasons").items()},
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{name}: expected a mapping, found {type(value).__name__}")
    return value


def _by_class(value: Any, name: str, read: Callable[[Any], Value]) -> dict[int, Value]:
    found = _mapping(value, name)
    if not all(key.isascii() and key.isdecimal() and len(key) < 10 for key in found):
        raise DataError(f"{name}: expected class ids as keys, found {sorted(found)[:5]}")
    return {int(key): read(one) for key, one in found.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"expected text, found {value!r}")
    return value


def _class(value: Any) -> ClassInfo:
    found = _mapping(value, "classes")
    unseen, images = found.get("unseen"), found.get("test_images")
    if not isinstance(unseen, bool) or not isinstance(images, int) or images < 0:
        raise DataError(f"classes: expected unseen true or false and a number of test_images, found {found!r}")
    return ClassInfo(_text(found.get("name")), unseen, images)


def _numbers(value: Any, name: str) -> list[float]:
    if not isinstance(value, list) or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in value
    ):
        raise DataError(f"{name}: expected a list of finite numbers")
    return [float(one) for one in value]


def _curve(value: Any) -> list[Point]:
    found = _mapping(value, "curves")
    unseen, seen = _numbers(found.get("unseen"), "curves"), _numbers(found.get("seen"), "curves")
    inside = all(0 <= one <= 1 for one in (*unseen, *seen))
    if not unseen or len(unseen) != len(seen) or not inside or unseen != sorted(unseen):
        raise DataError("curves: expected as many fractions of seen as of unseen, those of unseen ascending")
    return list(zip(unseen, seen, strict=True))


def _outcomes(value: Any) -> dict[str, Outcomes]:
    found = _mapping(value, "outcomes")
    labels, right = {}, {}
    for group in ("seen", "unseen"):
        own = _mapping(found.get(group), "outcomes")
        content = _bytes(own.get("labels"), "outcomes")
        if not content or len(content) % 4:
            raise DataError(f"outcomes: {len(content)} bytes are no labels")
        labels[group] = np.frombuffer(content, "<i4").astype(np.int64)
        count = len(labels[group])
        bits = {name: _bytes(one, "outcomes") for name, one in _mapping(own.get("right"), "outcomes").items()}
        if any(len(one) != (count + 7) // 8 for one in bits.values()):
            raise DataError(f"outcomes: expected a bit for each of {count} {group} images")
        right[group] = {
            name: np.unpackbits(np.frombuffer(one, np.uint8), count=count).astype(bool) for name, one in bits.items()
        }
    if set(right["seen"]) != set(right["unseen"]):
        raise DataError("outcomes: expected the same classifiers for seen and unseen images")
    return {
        name: Outcomes(labels["seen"], right["seen"][name], labels["unseen"], right["unseen"][name])
        for name in right["seen"]
    }


def _bytes(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name}: not base64: {error}") from error


def _points(value: Any) -> list[Point]:
    if not isinstance(value, list):
        raise DataError("projection: expected lists of points")
    pairs = [_numbers(one, "projection") for one in value]
    if not all(len(pair) == 2 for pair in pairs):
        raise DataError("projection: expected points of two coordinates")
    return [(x, y) for x, y in pairs]


def _projection(value: Any) -> Projection:
    found = _mapping(value, "projection")
    explained = _numbers(found.get("explained"), "projection")
    real, generated = (_by_class(found.get(name), "projection", _points) for name in ("real", "generated"))
    if len(explained) != 2 or not any(real.values()) or set(real) != set(generated):
        raise DataError(
            "projection: expected two shares of variance, and real and generated points of the same classes"
        )
    return Projection((explained[0], explained[1]), real, generated)


def _pictures(value: Any) -> Pictures:
    found = _mapping(value, "pictures")
    shape = found.get("shape")
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int and 1 <= n <= 256 for n in shape):
        raise DataError(f"pictures: expected a shape of height and width, 1 to 256, found {shape!r}")
    height, width = shape

    def read(encoded: Any) -> list[bytes]:
        content, size = _bytes(encoded, "pictures"), height * width
        if not content or len(content) % size:
            raise DataError(f"pictures: {len(content)} bytes are no whole number of pictures of {height}×{width}")
        return [content[start : start + size] for start in range(0, len(content), size)]

    real, generated = (_by_class(found.get(name), "pictures", read) for name in ("real", "generated"))
    if set(real) != set(generated):
        raise DataError("pictures: expected real and generated ones of the same classes")
    return Pictures(height, width, real, generated)
