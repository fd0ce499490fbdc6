"""The datasets and training shares of a comparison: which they are, what each is called, and where it lies."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from d3wrap.cli import prepare
from d3wrap.cli.doing import described
from d3wrap.cli.sweep_options import DatasetEntry
from d3wrap.comparison.run import Plan
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError, D3WrapError, DataError, MissingExtraError
from d3wrap.manager import Plugins

TELLING = ("features", "semantics", "split", "preset", "scale", "fraction_seed")
"""What may follow a dataset's name where several entries have the same."""
KEPT = 2
"""Datasets held in memory at once."""


@dataclass(frozen=True, eq=False)
class Part:
    """One dataset at one training share.

    ``options`` are those of the command with the part's own in their place, ``where`` is the key it came from (empty
    without a sweep), ``folder`` where its runs lie within the output folder, and ``name`` what tells it from others.
    """

    options: Mapping[str, Any]
    where: str
    folder: Path
    name: str


def asked_for(options: Mapping[str, Any]) -> list[Part]:
    """Return the parts that ``datasets`` and ``train_fraction`` of a command's options ask for, in their order.

    One dataset by ``--data`` and one share is one part, without folder and name. Raises
    :class:`~d3wrap.errors.ConfigError` where there are both ``--data`` and ``--datasets``.
    """
    entries: Sequence[DatasetEntry] = options["datasets"]
    if not entries:
        return _shares(options, "", "")
    context = click.get_current_context()
    if context.get_parameter_source("source") is not ParameterSource.DEFAULT:
        raise ConfigError(f"--data {options['source']} and {entries[0].where}: give one dataset, or several, not both")
    found = []
    for entry, name in zip(entries, _names(entries), strict=True):
        settings = (*options["settings"], *entry.values.get("settings", ()))
        found += _shares({**options, **entry.values, "settings": settings}, entry.where, name)
    return found


def _shares(options: Mapping[str, Any], where: str, name: str) -> list[Part]:
    fractions = options["train_fraction"]
    several = len(fractions) > 1
    return [
        Part(
            options={**options, "train_fraction": fraction},
            where=", ".join(filter(None, [where, f"train_fraction {fraction:g}" if several else ""])),
            folder=Path(name) / f"train-{fraction:g}" if several else Path(name),
            name=" ".join(filter(None, [name, f"{100 * fraction:g}%" if several else ""])),
        )
        for fraction in fractions
    ]


def _names(entries: Sequence[DatasetEntry]) -> list[str]:
    """Return a name for each entry that is fit for a folder; what tells apart follows, and a number where nothing does.

    Without regard to case, as some file systems are.
    """
    names = [_fit(_called(entry.values["source"])) for entry in entries]
    for key in TELLING:
        for name, count in Counter(name.lower() for name in names).items():
            own = [place for place, one in enumerate(names) if one.lower() == name]
            if count > 1 and len({str(entries[place].values.get(key)) for place in own}) > 1:
                for place in own:
                    if key in entries[place].values:
                        names[place] = f"{names[place]}-{_fit(str(entries[place].values[key]))}"
    used: set[str] = set()
    for place, name in enumerate(names):
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names[place] = next(one for one in itertools.chain([name], numbered) if one.lower() not in used)
        used.add(names[place].lower())
    return names


def _called(source: str) -> str:
    """Return ``FLO`` for ``data/FLO/`` and ``data/FLO.npz``, and ``synthetic`` for ``synthetic:classes=20``."""
    name = Path(source.partition(":")[0]).name
    return name.removesuffix(".npz").removesuffix(".safetensors")


def _fit(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("._-") or "data"


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Put ``where`` before the message of whatever d3wrap raises in the block; nothing where it is empty."""
    try:
        yield
    except MissingExtraError as error:
        raise (DataError(f"{where}: {error}") if where else error) from error
    except D3WrapError as error:
        if not where:
            raise
        raise type(error)(f"{where}: {error}") from error


class Datasets:
    """Loads datasets by their source, and keeps the last few: a sweep may ask for more than memory holds."""

    def __init__(self, load: Callable[[Mapping[str, Any]], GZSLDataset]) -> None:
        self._load = load
        self._kept: OrderedDict[str, GZSLDataset] = OrderedDict()

    def __call__(self, source: Mapping[str, Any]) -> GZSLDataset:
        """Return the dataset that these arguments of :func:`d3wrap.load_dataset` give."""
        key = json.dumps(dict(source), sort_keys=True)
        if key not in self._kept:
            while len(self._kept) >= KEPT:
                self._kept.popitem(last=False)
            self._kept[key] = self._load(source)
        self._kept.move_to_end(key)
        return self._kept[key]


def plan_of(part: Part, generator: str, plugins: Plugins) -> Plan:
    """Return the plan of a generator on a part; errors name the part's key."""
    with named(part.where):
        return prepare.plan(generator, part.options, plugins)


def look_at(asked: Sequence[Part], datasets: Datasets) -> list[str]:
    """Load each part once, before anything is trained, and return what each is in words.

    Raises what loading raises, with the part's key, and :class:`~d3wrap.errors.ConfigError` where nothing in the
    results would tell two parts apart.
    """
    seen: dict[tuple[Any, ...], str] = {}
    found = []
    for part in asked:
        with named(part.where):
            dataset = datasets(prepare.data_arguments(part.options))
            names = tuple(dataset.provenance.get(name) for name in ("features", "semantics", "split"))
            key = (dataset.name, *names, dataset.train_fraction, part.options["preset"])
            if key in seen:
                raise ConfigError(
                    f"nothing in the results would tell it from {seen[key]}: both are {dataset.name} with features "
                    f"{names[0]}, semantics {names[1]}, split {names[2]} and preset {key[-1]}; compare it in a folder "
                    "of its own"
                )
        seen[key] = part.where
        found.append(described(dataset))
    return found


def as_asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for ``run.json``: without a sweep as they were before there were any, so that runs go on."""
    kept = {name: value for name, value in options.items() if name != "datasets"}
    if len(options["train_fraction"]) == 1:
        (kept["train_fraction"],) = options["train_fraction"]
    if options["datasets"]:
        kept["datasets"] = [entry.as_json() for entry in options["datasets"]]
        del kept["source"]
    return kept
