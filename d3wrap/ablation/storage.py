"""``ablation.json`` and ``ablation.csv``: written whole, read strictly; ``docs/ablate.md`` describes them."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from d3wrap.ablation.summary import AblationRow, sum_up
from d3wrap.ablation.variants import Variant
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import PairedDifference
from d3wrap.errors import DataError
from d3wrap.files import atomic_path, write_json

SCHEMA = "d3wrap.ablation/1"
FILE = "ablation.json"
KINDS = {"schema": str, "created": str, "command": list, "config": dict, "variants": list, "summary": list}
CHANGE = ("change", "low", "high", "wins", "wilcoxon_p", "holm_p")
COLUMNS = (
    "variant", "kind", "says", "classifier", "metric", "seeds", "mean", "std",
    *(f"{name}_against_{reference}" for reference in ("baseline", "full") for name in CHANGE),
)  # fmt: skip


@dataclass(frozen=True)
class Ablated:
    """One variant and what its runs reached."""

    name: str
    kind: str
    says: str
    block: Sequence[str]
    d3: Mapping[str, Any]
    """D³ settings of its runs, as they were given."""
    runs: Sequence[RunResult]


@dataclass(frozen=True)
class Ablation:
    """The content of one ``ablation.json``; the summary follows from the runs."""

    created: str
    command: Sequence[str]
    config: Mapping[str, Any]
    variants: Sequence[Ablated]

    @property
    def summary(self) -> list[AblationRow]:
        """Means of each variant and its changes, for each classifier and metric."""
        return sum_up({variant.name: variant.runs for variant in self.variants})

    def as_dict(self) -> dict[str, Any]:
        """Return the ablation as JSON holds it."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "command": list(self.command),
            "config": dict(self.config),
            "variants": [
                {name: getattr(one, name) for name in ("name", "kind", "says")}
                | {"block": list(one.block), "d3": dict(one.d3), "runs": [run.as_dict() for run in one.runs]}
                for one in self.variants
            ],
            "summary": [dataclasses.asdict(row) for row in self.summary],
        }


def write_ablation(
    folder: Path,
    variants: Sequence[tuple[Variant, Sequence[RunResult]]],
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Ablation:
    """Write ``ablation.json`` and ``ablation.csv`` into ``folder`` and return what was written.

    Variants without any run are left out.
    """
    ablation = Ablation(
        datetime.now(UTC).isoformat(timespec="seconds"),
        tuple(command),
        config,
        [
            Ablated(one.name, one.kind, one.says, one.plan.block, dataclasses.asdict(one.plan.d3), tuple(runs))
            for one, runs in variants
            if runs
        ],
    )
    write_json(folder / FILE, ablation.as_dict())
    with (
        atomic_path(folder / "ablation.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        write_csv(stream, ablation)
    return ablation


def write_csv(stream: Any, ablation: Ablation) -> None:
    """Write the summary as CSV: a line for each variant, classifier and metric, fractions unrounded."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    variants = {variant.name: variant for variant in ablation.variants}
    for row in ablation.summary:
        one = variants[row.variant]
        writer.writerow(
            [
                one.name, one.kind, one.says, row.classifier, row.metric, row.seeds, row.mean, row.std,
                *_change(row.against_baseline, row.baseline_holm_p), *_change(row.against_full, row.full_holm_p),
            ]
        )  # fmt: skip


def _change(found: PairedDifference | None, holm_p: float | None) -> Iterator[object]:
    if found is None:
        yield from [None] * len(CHANGE)
    else:
        yield from (found.mean, found.low, found.high, found.wins, found.wilcoxon_p, holm_p)


def read_ablation(path: str | os.PathLike[str]) -> Ablation:
    """Read an ``ablation.json``, or the one in a folder; the summary is computed anew.

    Raises :class:`~d3wrap.errors.DataError` naming the file and what in it is not as d3wrap writes it.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    stored = _load(path)
    try:
        variants = [_variant(one) for one in stored["variants"]]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len({one.name for one in variants}) < len(variants) or not variants:
        raise DataError(f"{path}: variants: expected at least one, and none twice")
    return Ablation(stored["created"], stored["command"], stored["config"], variants)


def _load(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON as d3wrap writes it: {error}") from error
    found = stored.get("schema") if isinstance(stored, dict) else None
    if found != SCHEMA:
        raise DataError(f"{path}: schema: expected {SCHEMA!r}, found {found!r}; ablate with this version")
    if wrong := [key for key, kind in KINDS.items() if not isinstance(stored.get(key), kind)]:
        raise DataError(f"{path}: {', '.join(wrong)}: missing or of another type than d3wrap writes")
    return dict(stored)


def _variant(stored: Any) -> Ablated:
    kinds = {"name": str, "kind": str, "says": str, "block": list, "d3": dict, "runs": list}
    if not isinstance(stored, dict) or any(not isinstance(stored.get(key), kind) for key, kind in kinds.items()):
        raise DataError(f"variants: expected {', '.join(kinds)} in each, found {str(stored)[:60]}")
    try:
        runs = [RunResult.from_dict(run) for run in stored["runs"]]
    except (DataError, TypeError) as error:
        raise DataError(f"variant {stored['name']}: runs: {error}") from error
    if not runs:
        raise DataError(f"variant {stored['name']}: runs: expected at least one")
    return Ablated(stored["name"], stored["kind"], stored["says"], stored["block"], stored["d3"], runs)
