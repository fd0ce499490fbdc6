"""A configuration file as read: its values, and the line of every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from d3wrap.errors import ConfigError

Keys = tuple[str | int, ...]


def key_text(keys: Keys) -> str:
    """Return the path to a value as people write it: ``("set", "sizes", 0)`` is ``set.sizes[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


@dataclass(frozen=True)
class ConfigDocument:
    """The content of one YAML file.

    ``values`` holds plain dicts, lists and scalars; ``lines`` the line (from 1) of every key and list item,
    by its path from the root; ``texts`` every scalar as it was written, by the same paths.
    """

    path: str
    values: Mapping[str, Any]
    lines: Mapping[Keys, int]
    texts: Mapping[Keys, str]

    def where(self, *keys: str | int) -> str:
        """Return ``FILE:LINE: KEY`` of a value."""
        return f"{self.path}:{self.lines[keys]}: {key_text(keys)}"

    def error(self, message: str, *keys: str | int) -> ConfigError:
        """Return the error to raise about a value: ``FILE:LINE: KEY: message``."""
        return ConfigError(f"{self.where(*keys)}: {message}")
