"""Read descriptions of classes: one a line in the order of the classes, or by name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d3wrap.config import read_text as read_yaml
from d3wrap.data.class_matching import comparable, listed, places_by_name
from d3wrap.data.class_names import numbered
from d3wrap.errors import ConfigError, DataError
from d3wrap.semantics.names_file import read_lines, read_text

FileName = str | os.PathLike[str]
ByName = dict[str, list[str]]
"""Descriptions by class name, in the order in which the names come first."""


@dataclass(frozen=True)
class ClassTexts:
    """Names of classes, and for each any number of descriptions."""

    names: tuple[str, ...]
    descriptions: tuple[tuple[str, ...], ...]

    @property
    def undescribed(self) -> tuple[str, ...]:
        """Names of the classes that have no description."""
        return tuple(name for name, texts in zip(self.names, self.descriptions, strict=True) if not texts)


def read_class_texts(names: Sequence[str] | None, paths: Sequence[FileName]) -> ClassTexts:
    """Read the descriptions in ``paths`` of the classes ``names``, or of those that the first file by name has.

    A ``.json``, ``.yaml`` or ``.yml`` file maps names to a description or a list of them. Any other is text: lines
    ``NAME<TAB>DESCRIPTION``, any number for a class, or one line per class in their order. Several files add to one
    another. What has no letter or digit in it, such as a lone full stop, is no description.

    Raises :class:`~d3wrap.errors.DataError` that names file and line or class: for lines or names that do not fit the
    classes, a name that comes twice in a mapping, and what is not text.
    """
    found = [_read(path) for path in paths]
    if names is None:
        names = next((list(one) for one in found if isinstance(one, dict)), None)
    if names is None:
        names = numbered(len(found[0]))
    places = places_by_name(names, "the class names")
    texts: list[list[str]] = [[] for _ in names]
    for path, one in zip(paths, found, strict=True):
        if isinstance(one, dict):
            _by_name(path, one, places, texts)
        elif len(one) != len(names):
            raise DataError(f"{path}: has {len(one)} lines, expected one for each of {len(names)} classes")
        else:
            for place, line in enumerate(one):
                texts[place].append(line)
    return ClassTexts(tuple(names), tuple(tuple(dict.fromkeys(filter(_says_something, some))) for some in texts))


def _says_something(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _by_name(path: FileName, found: ByName, places: Mapping[str, int], texts: list[list[str]]) -> None:
    places_by_name(list(found), str(path))
    strange = [name for name in found if comparable(name) not in places]
    if strange:
        raise DataError(f"{path}: describes {listed(strange)}, which {'is' if len(strange) == 1 else 'are'} no class")
    for name, some in found.items():
        texts[places[comparable(name)]] += some


def _read(path: FileName) -> ByName | list[str]:
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return _json(path)
    if suffix in (".yaml", ".yml"):
        return _yaml(path)
    lines = read_lines(path)
    if any("\t" in line for line in lines):
        return _tabbed(path, lines)
    return lines


def _tabbed(path: FileName, lines: Sequence[str]) -> ByName:
    found: ByName = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise DataError(f"{path}:{number}: expected 'NAME<TAB>DESCRIPTION' as on other lines, found no tab")
        found.setdefault(name.strip(), []).append(text.strip())
    return found


def _json(path: FileName) -> ByName | list[str]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise DataError(f"{path}: {name!r} comes twice")
            found[name] = value
        return found

    text = read_text(path)
    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON: {error}") from error
    if isinstance(found, list):
        return [_text(path, f"entry {number}", one) for number, one in enumerate(found, 1)]
    return _mapping(path, found)


def _yaml(path: FileName) -> ByName:
    try:
        return _mapping(path, read_yaml(read_text(path), str(path)).values)
    except ConfigError as error:
        raise DataError(str(error)) from error


def _mapping(path: FileName, found: Any) -> ByName:
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path}: expected descriptions by class name, found {type(found).__name__}")
    return {
        name: [_text(path, name, one) for one in (value if isinstance(value, list) else [value])]
        for name, value in found.items()
    }


def _text(path: FileName, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"{path}: {name}: expected a description or a list of them, found {value!r}")
    return " ".join(value.split())
