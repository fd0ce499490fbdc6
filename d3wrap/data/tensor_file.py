"""Safetensors files of ours: tensors, and one entry of text in the header that is JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from d3wrap.data.limits import Limits
from d3wrap.data.opening import first_bytes
from d3wrap.errors import DataError

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class TensorFile:
    """What a kind of file has in its header, and what to do where that is not so."""

    entry: str
    version: int
    fields: Mapping[str, Callable[[Any], bool]]
    """Of the JSON, by name: whether a value will do."""
    other: Callable[[Mapping[str, str]], str]
    """What to say of a file without the entry, given its header's other entries."""
    again: str
    """How to make a sound one."""

    def read(self, path: Path, limits: Limits) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and tensors, which stay on disk until they are used.

        Raises :class:`~d3wrap.errors.DataError` for another kind of file, another version, and a malformed header.
        """
        first_bytes(path, 1, limits)
        try:
            with safe_open(path, framework="pt") as file:
                header = self._header(path, file.metadata() or {})
                return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: is not a sound safetensors file ({error}); {self.again}") from error

    def _header(self, path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
        if self.entry not in metadata:
            raise DataError(f"{path}: {self.other(metadata)}")
        try:
            header = json.loads(metadata[self.entry])
        except ValueError as error:
            raise DataError(f"{path}: its header is not JSON ({error}); {self.again}") from error
        found = header.get("version") if isinstance(header, dict) else None
        if found != self.version:
            raise DataError(
                f"{path}: has format version {found!r}, this d3wrap reads version {self.version}; {self.again}"
            )
        for key, valid in self.fields.items():
            if not valid(header.get(key)):
                raise DataError(f"{path}: its header's {key!r} is missing or malformed; {self.again}")
        return dict(header)


def is_text(value: Any) -> bool:
    """Tell whether a value of JSON is text."""
    return isinstance(value, str)


def is_texts(value: Any) -> bool:
    """Tell whether it is a list of texts."""
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def is_text_by_name(value: Any) -> bool:
    """Tell whether it is an object of texts."""
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
