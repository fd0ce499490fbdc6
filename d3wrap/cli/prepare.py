"""Turn what the shared options say into what the library takes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from d3wrap.comparison.run import Plan
from d3wrap.config import Override, apply_overrides
from d3wrap.data import GZSLDataset, load_dataset
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.manager import Plugins
from d3wrap.protocol.choice import Search
from d3wrap.settings import D3Settings
from d3wrap.training.precision import resolve_device
from d3wrap.weights import check_names
from d3wrap.wrap import resolve_settings

DATA = ("source", "features", "split", "semantics", "scale", "train_fraction", "fraction_seed")
OF_TEACHER = ("teacher_features", "text_features")
OWN_OPTIONS = ("formulation", "teacher")
"""Settings of D³ that are not given with ``--d3``: two values would be one too many."""
MARK = "run.json"
"""File that says a folder was written by train or compare, and may be overwritten."""


def load(options: Mapping[str, Any]) -> GZSLDataset:
    """Load the dataset that the data options name, on the device and in the dtype that the device options say."""
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    device = resolve_device(options["device"])
    chosen = data_arguments(options)
    dataset = load_dataset(chosen.pop("source"), **chosen)
    return dataset.to(device, getattr(torch, options["dtype"]))


def data_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data options alone; those of a teacher where they are given."""
    return {name: options[name] for name in DATA} | {
        name: options[name] for name in OF_TEACHER if options[name] is not None
    }


def plan(generator: str, options: Mapping[str, Any], plugins: Plugins) -> Plan:
    """Return the plan for one generator, with every setting checked before anything is trained."""
    settings: Sequence[Override] = options["settings"]
    resolve_settings(generator, options["preset"], settings, plugins)
    for name in options.get("classifiers", ()):
        if name not in CLASSIFIERS:
            raise ConfigError(f"--classifier: no classifier is called {name!r}{did_you_mean(name, CLASSIFIERS)}")
    for override in options["d3"]:
        if override.key in OWN_OPTIONS:
            raise ConfigError(f"--d3 {override.key}: has an option of its own, type --{override.key} {override.value}")
    d3 = apply_overrides(D3Settings(formulation=options["formulation"], teacher=options["teacher"]), options["d3"])
    _check_weights(d3, plugins)
    return Plan(
        generator=generator,
        preset=options["preset"],
        settings=settings,
        d3=d3,
        classifiers=options.get("classifiers", CLASSIFIERS),
        precision=options["precision"],
        log_every=options["log_every"],
        source=data_arguments(options),
        block=options["block"],
        protocol=options["protocol"],
        search=Search(options["choose_points"], options["choose_samples"], options["choose_folds"]),
    )


def _check_weights(settings: D3Settings, plugins: Plugins) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for a weight of no loss that a plugin could give."""
    known = [f"{name}/{term}" for name, spec in plugins.objectives.items() for term in spec.terms]
    known += [*plugins.objectives, *plugins.freeze("on_batch").plugins, *plugins.freeze("on_classifier_step").plugins]
    for name in ("student_weights", "generator_weights", "classifier_weights"):
        check_names(getattr(settings, name), known, f"--d3 {name}")


def new_folder(out: Path | None, overwrite: bool, command: str) -> Path:
    """Return an empty folder for results: ``out``, or a new one in ``runs/``.

    Raises :class:`~d3wrap.errors.ConfigError` where ``out`` is in use; ``overwrite`` removes it if d3wrap wrote it.
    """
    if out is None:
        out = Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise ConfigError(f"--out: {out} is not empty: choose another folder, or add --overwrite")
        if not (out / MARK).is_file():
            raise ConfigError(f"--out: {out} holds no {MARK}, so d3wrap did not write it and will not remove it")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    return out
