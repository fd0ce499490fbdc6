"""Gather what the report shows: results, and what each run left in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from d3wrap.comparison.artefacts_reading import Artefacts, read_artefacts
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import holm
from d3wrap.comparison.storage import Results, read_results
from d3wrap.comparison.summary import APART, Key, SummaryRow, by_comparison, comparison_key, summarise
from d3wrap.errors import DataError

ARMS = ("baseline", "enhanced")
Value = TypeVar("Value")
Losses = Sequence[tuple[int, Mapping[str, float]]]
"""Steps and the mean of each loss over the interval before."""
Place = tuple[str | float, ...]
"""What a manifest too says of the comparison its run is of: dataset, share, generator, preset and sources."""


@dataclass(frozen=True)
class RunFiles:
    """What the folder of one run holds; ``None`` and a line in ``missing`` for what it lacks."""

    folder: Path
    manifest: Mapping[str, Any] | None
    choice: Mapping[str, Any] | None
    """What was chosen in the validation world; ``None`` where nothing was."""
    losses: Losses | None
    artefacts: Artefacts | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One generator on one dataset: both arms, every classifier, every seed."""

    source: Path
    results: Results
    runs: Sequence[RunResult]
    files: Mapping[tuple[str, int], RunFiles]
    """By arm and seed; empty where the folders are not beside ``results.json``."""
    summary: Sequence[SummaryRow]
    """``holm_p`` is adjusted for all rows of the same metric, of every comparison that is reported together."""
    failures: Sequence[str] = ()
    """Of each run in the folder that ended with an error, a sentence; the numbers are without it."""
    distinction: str = ""
    """What tells it from another of the same name that is reported together with it."""

    @property
    def first(self) -> RunResult:
        """A run that stands for what all runs share."""
        return self.runs[0]

    @property
    def title(self) -> str:
        """Generator and dataset, and what else tells this comparison from others."""
        share = "" if self.first.train_fraction == 1 else f", {100 * self.first.train_fraction:g} % of training images"
        return f"{self.first.generator} on {self.first.dataset}{share}{self.distinction}"

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs, ascending."""
        return sorted({run.seed for run in self.runs})

    @property
    def classifiers(self) -> list[str]:
        """Classifiers, in the order of the results."""
        return list(dict.fromkeys(run.classifier for run in self.runs))

    @property
    def headline(self) -> str:
        """The classifier of the verdict: the softmax classifier, else the first that was measured."""
        return "softmax" if "softmax" in self.classifiers else self.classifiers[0]

    def find(self, classifier: str, metric: str) -> SummaryRow | None:
        """Return one line of the summary, ``None`` where not all runs have the metric."""
        return next((row for row in self.summary if (row.classifier, row.metric) == (classifier, metric)), None)

    def row(self, classifier: str, metric: str) -> SummaryRow:
        """Return one line of the summary, of a metric that every run has."""
        return next(row for row in self.summary if (row.classifier, row.metric) == (classifier, metric))

    def by_seed(self, arm: str, classifier: str) -> dict[int, RunResult]:
        """Return the runs of one arm, measured by one classifier."""
        found = [run for run in self.runs if (run.arm, run.classifier) == (arm, classifier)]
        return {run.seed: run for run in sorted(found, key=lambda run: run.seed)}

    def artefacts(self, arm: str) -> dict[int, Artefacts]:
        """Return the artefacts of one arm by seed, of runs that have them."""
        found = {seed: files.artefacts for (one, seed), files in sorted(self.files.items()) if one == arm}
        return {seed: artefacts for seed, artefacts in found.items() if artefacts is not None}

    def missing(self) -> list[str]:
        """Say what runs lack, in sentences."""
        if not self.files:
            return [
                *self.failures,
                f"{self.source}: the folders of the runs are not beside results.json, so only numbers are shown.",
            ]
        lacking = [run for run in ((a, s) for a in ARMS for s in self.seeds) if run not in self.files]
        return [
            *self.failures,
            *(f"{self.source}: the {arm} run of seed {seed} has no folder." for arm, seed in lacking),
            *dict.fromkeys(line for files in self.files.values() for line in files.missing),
        ]


def collect(folders: Iterable[Path]) -> list[Comparison]:
    """Read the results in each of ``folders``: one comparison for each of :data:`~d3wrap.comparison.summary.APART`.

    Comparisons of several folders stay apart, even where they have the same names: their settings may differ. Raises
    :class:`~d3wrap.errors.DataError` for results that cannot be read; whatever else a folder lacks is only said.
    """
    distinct: dict[Path, Path] = {}
    for folder in folders:
        distinct.setdefault(folder.resolve(), folder)
    return _told_apart(_adjusted([comparison for folder in distinct.values() for comparison in _of_folder(folder)]))


def _told_apart(comparisons: Sequence[Comparison]) -> list[Comparison]:
    alike: dict[str, list[Comparison]] = {}
    for one in comparisons:
        alike.setdefault(one.title, []).append(one)
    return [
        replace(one, distinction=_distinction(one, alike[one.title])) if len(alike[one.title]) > 1 else one
        for one in comparisons
    ]


def _distinction(comparison: Comparison, alike: Sequence[Comparison]) -> str:
    """Say what tells a comparison from those of the same title."""
    first = comparison.first
    differ = [name for name in APART if name != "preset" and len({getattr(one.first, name) for one in alike}) > 1]
    said = [f"preset {first.preset}", *(f"{name} {getattr(first, name)}" for name in differ)]
    if len({one.source for one in alike}) > 1:
        said.append(f"in {comparison.source}")
    return "".join(f", {text}" for text in said)


def _adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    families: dict[str, list[float]] = {}
    for comparison in comparisons:
        for row in comparison.summary:
            families.setdefault(row.metric, []).append(row.difference.wilcoxon_p)
    adjusted = {metric: iter(holm(family)) for metric, family in families.items()}
    return [
        replace(one, summary=[replace(row, holm_p=next(adjusted[row.metric])) for row in one.summary])
        for one in comparisons
    ]


def _of_folder(source: Path) -> list[Comparison]:
    results = read_results(source)
    if not results.runs:
        raise DataError(f"{source}: holds no runs, so there is nothing to report")
    folder = source if source.is_dir() else source.parent
    files, failures = _run_folders(folder), _failures(folder)
    groups = by_comparison(results.runs)
    known = {_place(runs[0]) for runs in groups.values()}
    return [
        Comparison(
            folder,
            results,
            runs,
            _files(files, key, runs),
            summarise(runs),
            # A failure of none of them is said with all: it belongs to the folder.
            [said for place, said in failures if place not in known or place == _place(runs[0])],
        )
        for key, runs in groups.items()
    ]


def _place(run: RunResult) -> Place:
    return (run.dataset, run.train_fraction, run.generator, run.preset, run.features, run.semantics, run.split)


def _place_of_folder(folder: Path) -> Place | None:
    """Return the same of a run that gave no result, from its manifest; ``None`` where that cannot be read."""
    try:
        manifest = _manifest(folder)
        config, dataset = manifest["config"], manifest["dataset"]
        sources = tuple(str(dataset["provenance"][name]) for name in ("features", "semantics", "split"))
        share = float(dataset.get("train_fraction", 1))
        return (str(dataset["name"]), share, str(config["generator"]), str(config["preset"]), *sources)
    except (DataError, LookupError, TypeError, ValueError, AttributeError):
        return None


def _files(
    folders: Mapping[tuple[Any, ...], Path], group: Key, runs: Sequence[RunResult]
) -> dict[tuple[str, int], RunFiles]:
    wanted = dict.fromkeys((run.arm, run.seed) for run in runs)
    return {key: read_run(folders[(*group, *key)]) for key in wanted if (*group, *key) in folders}


def _failures(folder: Path) -> list[tuple[Place | None, str]]:
    """Return a sentence for each run below ``folder`` that ended with an error, and the comparison it is of."""
    found = []
    for path in sorted(folder.rglob("error.txt")):
        try:
            said = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        except OSError as error:
            said = [f"cannot be read: {error.strerror}"]
        reason = said[-1] if said else "no reason"
        sentence = f"{path.parent}: the run failed and is not in these numbers: {reason}"
        found.append((_place_of_folder(path.parent), sentence))
    return found


def _run_folders(folder: Path) -> dict[tuple[Any, ...], Path]:
    """Return the folders of finished runs below ``folder`` by their comparison, arm and seed."""
    found: dict[tuple[Any, ...], Path] = {}
    for path in sorted(folder.rglob("result.json")):
        try:
            run = RunResult.from_dict(json.loads(path.read_text(encoding="utf-8"))[0])
        except (DataError, OSError, ValueError, TypeError, LookupError, RecursionError):
            continue  # not a run that these results could hold
        found.setdefault((*comparison_key(run), run.arm, run.seed), path.parent)
    return found


def read_run(folder: Path) -> RunFiles:
    """Read the folder of one run; what cannot be read is ``None``, and ``missing`` says why."""
    missing: list[str] = []

    def tried(read: Callable[[Path], Value]) -> Value | None:
        try:
            return read(folder)
        except DataError as error:
            missing.append(f"{error}.")
            return None

    manifest, losses, artefacts = tried(_manifest), tried(read_losses), tried(read_artefacts)
    choice = tried(_choice) if (folder / "choice.json").exists() else None
    return RunFiles(folder, manifest, choice, losses, artefacts, tuple(missing))


def _manifest(folder: Path) -> dict[str, Any]:
    return _read_mapping(folder / "manifest.json")


def _choice(folder: Path) -> dict[str, Any]:
    return _read_mapping(folder / "choice.json")


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}: expected a mapping, found {type(stored).__name__}")
    return stored


def read_losses(folder: Path) -> Losses:
    """Read ``metrics.jsonl``: steps and losses; a last line that was cut off while it was written is left out.

    Raises :class:`~d3wrap.errors.DataError` naming the line that is not as d3wrap writes it.
    """
    path = folder / "metrics.jsonl"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    records = []
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            stored = json.loads(line)
            step, losses = stored["step"], stored["losses"]
            if type(step) is not int or not all(_is_finite(value) for value in losses.values()):
                raise ValueError("a step must be an integer and losses finite numbers")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not as d3wrap writes it: {error}") from error
        records.append((step, {name: float(value) for name, value in losses.items()}))
    if not records:
        raise DataError(f"{path}: holds no losses; the run was shorter than its log interval")
    return records


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
