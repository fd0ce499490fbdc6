"""``results.json`` and ``results.csv``: written whole, read strictly; ``docs/results.md`` describes them."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from d3wrap.comparison.results import RunResult
from d3wrap.comparison.summary import SummaryRow, summarise
from d3wrap.errors import DataError
from d3wrap.files import atomic_path, write_json

SCHEMA = "d3wrap.results/1"
NOT_IN_CSV = ("per_class", "versions", "last5", "last_step")


@dataclass(frozen=True)
class Results:
    """The content of one ``results.json``; the summary follows from the runs."""

    created: str
    command: Sequence[str]
    config: Mapping[str, Any]
    runs: Sequence[RunResult]

    @property
    def summary(self) -> list[SummaryRow]:
        """Baseline, enhanced and difference, for each generator, classifier and metric."""
        return summarise(self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Return the results as JSON holds them."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "command": list(self.command),
            "config": dict(self.config),
            "runs": [run.as_dict() for run in self.runs],
            "summary": [dataclasses.asdict(row) for row in self.summary],
        }


def write_results(
    folder: str | os.PathLike[str],
    runs: Sequence[RunResult],
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Results:
    """Write ``results.json`` and ``results.csv`` (one line per run) into ``folder`` and return what was written.

    ``config`` must hold only what JSON can. Raises :class:`~d3wrap.errors.DataError` where runs do not pair up.
    """
    results = Results(datetime.now(UTC).isoformat(timespec="seconds"), tuple(command), config, tuple(runs))
    write_json(Path(folder) / "results.json", results.as_dict())
    columns = [field.name for field in dataclasses.fields(RunResult) if field.name not in NOT_IN_CSV]
    with (
        atomic_path(Path(folder) / "results.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(run.as_dict() for run in results.runs)
    return results


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a ``results.json``, or the one in a folder.

    The summary is computed anew from the runs. Raises :class:`~d3wrap.errors.DataError` naming the file, the run and
    the field of anything that :func:`write_results` would not have written.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    stored = _load(path)
    try:
        runs = [_run(index, run) for index, run in enumerate(stored["runs"])]
        results = Results(stored["created"], tuple(stored["command"]), stored["config"], tuple(runs))
        summarise(runs)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return results


def _load(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: cannot be read: No such file; expected a folder that `d3wrap compare` or `d3wrap ablate` wrote, "
            "what their --out names"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON as d3wrap writes it: {error}") from error
    kinds = {"schema": str, "created": str, "command": list, "config": dict, "runs": list, "summary": list}
    found = stored.get("schema") if isinstance(stored, dict) else None
    if found is None:
        raise DataError(f"{path}: schema: expected {SCHEMA!r}, found none: this is not of `d3wrap compare`")
    if found != SCHEMA:
        raise DataError(f"{path}: schema: expected {SCHEMA!r}, found {found!r}; write the results with this version")
    if set(stored) != set(kinds):
        raise DataError(f"{path}: expected the keys {sorted(kinds)}, found {sorted(stored)}")
    for key, kind in kinds.items():
        if not isinstance(stored[key], kind):
            raise DataError(f"{path}: {key}: expected {kind.__name__}, found {type(stored[key]).__name__}")
    if not all(isinstance(word, str) for word in stored["command"]):
        raise DataError(f"{path}: command: expected a list of text, found {stored['command']!r}")
    return dict(stored)


def _run(index: int, stored: Any) -> RunResult:
    if not isinstance(stored, dict):
        raise DataError(f"runs[{index}]: expected a mapping, found {stored!r}")
    try:
        return RunResult.from_dict(stored)
    except DataError as error:
        raise DataError(f"runs[{index}].{error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
