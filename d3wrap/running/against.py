"""Set what a run reached beside an earlier run of the same script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from d3wrap.errors import DataError
from d3wrap.running.record import SCHEMA

METRICS = ("T1", "U", "S", "H", "AUSUC", "AUROC")
SAME = {
    "script": ("script", "sha256"),
    "arguments": ("script", "arguments"),
    "seed": ("seed",),
    "training rows": ("dataset", "train_rows"),
    "options of the evaluation": ("config", "evaluate"),
}
"""What two runs must share for the difference between them to be that of the arms."""


def read_record(folder: Path) -> dict[str, Any]:
    """Read the ``results.json`` that ``d3wrap run`` wrote into a folder.

    Raises :class:`~d3wrap.errors.DataError` where there is none, or another kind, or one without metrics.
    """
    path = folder / "results.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}; give a folder that d3wrap run --out wrote"
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON as d3wrap writes it: {error}") from error
    found = stored.get("schema") if isinstance(stored, dict) else None
    if found != SCHEMA:
        raise DataError(f"{path}: schema: expected {SCHEMA!r}, found {found!r}; give a folder that d3wrap run wrote")
    if not stored.get("metrics"):
        raise DataError(f"{path}: that run was not evaluated")
    return dict(stored)


def comparison(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> str:
    """Return a table in percent of what two runs reached and the change, and what else differs between them.

    One seed each: the change says what happened here, and nothing about other seeds.
    """
    names = [f"{earlier['arm']} (earlier)", str(later["arm"]), "change"]
    width = max(len(name) for name in names) + 2
    lines = [f"{'percent':{width}}" + "".join(f"{name:>7}" for name in METRICS)]
    for classifier in (name for name in earlier["metrics"] if name in later["metrics"]):
        before, after = earlier["metrics"][classifier], later["metrics"][classifier]
        rows = [[100 * one[name] for name in METRICS] for one in (before, after)]
        change = [second - first for first, second in zip(*rows, strict=True)]
        lines.append(classifier)
        lines += [_row(name, row, width) for name, row in zip(names, rows, strict=False)]
        lines.append(_row("change", change, width, sign="+"))
    lines += [f"NOT PAIRED: {text}" for text in _unlike(earlier, later)]
    return "\n".join([*lines, "one seed each: for a finding, run both arms under several seeds of the script"])


def _row(name: str, values: list[float], width: int, sign: str = "") -> str:
    return f"  {name:{width - 2}}" + "".join(f"{value:{sign}7.1f}" for value in values)


def _unlike(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> Iterator[str]:
    for what, keys in SAME.items():
        first, second = _at(earlier, keys), _at(later, keys)
        if first != second:
            yield f"{what}: {_short(first)} and {_short(second)}"


def _at(stored: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        stored = stored.get(key) if isinstance(stored, dict) else None
    return stored


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
