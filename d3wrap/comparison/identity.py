"""When two manifests describe the same run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from d3wrap.errors import DataError

IDENTITY = ("arm", "seed", "config", "dataset", "dtype", "precision")
"""Fields of a manifest that make the run: with these the same, its result is the same but for rounding."""
SHOWN = 5
"""Differences that a message has room for."""


def require_same(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise :class:`~d3wrap.errors.DataError` unless the manifest stored at ``path`` is of the same run."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    found = differences(_identity(stored), _identity(manifest))
    if found:
        raise DataError(f"{path.parent} holds another run: {found}; choose another folder, or add --overwrite")


def _identity(manifest: Any) -> dict[str, Any]:
    return {key: manifest.get(key) for key in IDENTITY} if isinstance(manifest, Mapping) else {}


def bits_depend_on(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else decides the last bits of a number: versions, threads and kind of device."""
    machine = manifest.get("machine", {})
    return {
        **manifest.get("versions", {}),
        "threads": machine.get("threads"),
        "device": str(machine.get("device")).partition(":")[0],
    }


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what differs between two mappings that JSON can hold, in words; empty where nothing does."""
    before, after = (dict(_leaves(json.loads(json.dumps(one)))) for one in (there, now))
    for one, other in ((before, after), (after, before)):
        # An empty mapping is told by what the other one has in it.
        for key in [k for k, v in one.items() if v == {} and any(name.startswith(f"{k}.") for name in other)]:
            del one[key]
    found = [
        f"{key} is {_shown(before, key)} there and {_shown(after, key)} now"
        for key in dict.fromkeys([*before, *after])
        if key not in before or key not in after or before[key] != after[key]
    ]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    return json.dumps(leaves[key], ensure_ascii=False) if key in leaves else "missing"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value
