"""Take a tree of mappings, lists, tensors and plain values apart into tensors by name and what JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from d3wrap.errors import PluginError

MARK = "$tensor"
"""Key of the mapping that stands where a tensor was; its value is the tensor's name."""


def pack(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """Return copies of the tree's tensors on the CPU, by name, and the tree with their names in their place.

    Raises :class:`~d3wrap.errors.PluginError` for a value that JSON does not give back as it was.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _packed(tree, "", tensors)


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Undo :func:`pack`; raises ``KeyError`` where a tensor is missing."""
    if isinstance(packed, dict):
        if set(packed) == {MARK}:
            return tensors[packed[MARK]]
        return {key: unpack(value, tensors) for key, value in packed.items()}
    if isinstance(packed, list):
        return [unpack(value, tensors) for value in packed]
    return packed


def _packed(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # A copy, since tied weights share memory, which the file's format does not allow.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {MARK: name}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _packed(item, f"{name}/{key}", tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_packed(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise PluginError(
        f"a checkpoint cannot hold {name.lstrip('/')}, a {type(value).__name__}: keep tensors, numbers, text, and "
        "lists and mappings (with text as keys) of them"
    )
