"""Values of a configuration with the place that each was given: a recipe, a file, the command line."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from d3wrap.config import ConfigDocument, Override
from d3wrap.errors import ConfigError
from d3wrap.running.names import Where

MERGED = ("d3", "evaluate")
"""Keys whose mappings are merged key by key; of every other key the last value counts as a whole."""


@dataclass(frozen=True)
class Given:
    """A value, and ``where(*keys)``: the place of what lies below it by these keys, as ``FILE:LINE: KEY``."""

    value: Any
    where: Where

    def below(self) -> dict[str, Given]:
        """Return the items of a mapping, each with its place; raises ``ConfigError`` for anything else."""
        if not isinstance(self.value, Mapping):
            raise ConfigError(f"{self.where()}: expected 'key: value' lines, found {self.value!r}")
        return {key: Given(value, functools.partial(self.where, key)) for key, value in self.value.items()}


def from_document(document: ConfigDocument) -> dict[str, Given]:
    """Return the top keys of a document; those in :data:`MERGED` as ``d3.KEY``."""
    given: dict[str, Given] = {}
    for key, value in document.values.items():
        one = Given(value, functools.partial(document.where, key))
        if key in MERGED:
            given.update({f"{key}.{name}": item for name, item in one.below().items()} if value is not None else {})
        else:
            given[key] = one
    return given


def from_overrides(overrides: Iterable[Override]) -> dict[str, Given]:
    """Return what ``--set KEY=VALUE`` gives; below a mapping as ``d3.relation=groups``."""
    return {one.key: Given(one.value, lambda *_, place=one.where: place) for one in overrides}
