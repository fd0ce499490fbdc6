"""Build a run again from its folder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args

import torch

from d3wrap.checkpoints.snapshots import Snapshots
from d3wrap.checkpoints.tensors import load_weights, read_weights
from d3wrap.comparison.choosing import FILE, read_choice
from d3wrap.comparison.run import Arm, Plan, Trained, build, decide
from d3wrap.config import apply_overrides
from d3wrap.data import GZSLDataset, load_dataset
from d3wrap.errors import D3WrapWarning, DataError
from d3wrap.manager import Plugins, load_plugins
from d3wrap.protocol import Vault
from d3wrap.protocol.choice import Search
from d3wrap.settings import D3Settings
from d3wrap.training.precision import resolve_device

MANIFEST = {"config": dict, "arm": str, "seed": int, "dataset": dict, "dtype": str, "precision": str}
CONFIG = {
    "data": dict,
    "generator": str,
    "preset": str,
    "settings": dict,
    "d3": dict,
    "classifiers": list,
    "block": list,
    "protocol": str,
    "search": dict,
    "log_every": int,
}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; raises :class:`~d3wrap.errors.DataError` where the folder holds none."""
    path = folder / "manifest.json"
    stored = _read(path, MANIFEST, "give the folder of one run, e.g. compare's …/ARM")
    _check_kinds(stored["config"], CONFIG, f"{path}: config")
    if stored["arm"] not in get_args(Arm) or stored["dtype"] not in ("float32", "float64"):
        raise DataError(f"{path}: arm {stored['arm']!r} or dtype {stored['dtype']!r} is none that d3wrap writes")
    return stored


def _read(path: Path, kinds: Mapping[str, type | UnionType], hint: str) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; {hint}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    _check_kinds(stored, kinds, str(path))
    return dict(stored)


def _check_kinds(stored: Any, kinds: Mapping[str, type | UnionType], where: str) -> None:
    wrong = [
        key for key, kind in kinds.items() if not isinstance(stored, dict) or not isinstance(stored.get(key), kind)
    ]
    if wrong:
        raise DataError(f"{where}: is not as d3wrap wrote it: {', '.join(wrong)} missing or of another type")


def load_run(
    folder: Path, *, device: str = "auto", source: str | None = None
) -> tuple[Plan, GZSLDataset, Arm, int, Trained]:
    """Load a trained run: its plan, dataset, arm, seed and networks.

    ``source`` is where the dataset is now, if it moved. Raises :class:`~d3wrap.errors.DataError` where the data are not
    those it was trained on, or weights do not fit.
    """
    stored = read_manifest(folder)
    _training_seconds(folder)
    config: Mapping[str, Any] = stored["config"]
    plugins = load_plugins(block=config["block"])
    if list(plugins.names) != config["plugins"]:
        warnings.warn(
            D3WrapWarning(
                f"{folder} was trained with the plugins {', '.join(config['plugins'])}; loaded now are "
                f"{', '.join(plugins.names)}: the numbers may differ"
            ),
            stacklevel=2,
        )
    arguments = dict(config["data"])
    recorded = arguments.pop("source")
    dataset = load_dataset(source or recorded, **arguments)
    _check_same(stored["dataset"].get("provenance", {}), dataset, folder)
    dataset = dataset.to(resolve_device(device), getattr(torch, stored["dtype"]))
    plan = Plan(
        generator=config["generator"],
        preset=config["preset"],
        settings=config["settings"],
        d3=apply_overrides(D3Settings(), config["d3"], f"{folder}/manifest.json"),
        classifiers=config["classifiers"],
        precision=stored["precision"],
        source=config["data"],
        block=config["block"],
        protocol=config["protocol"],
        search=Search(**{**config["search"], "samples": tuple(config["search"]["samples"])}),
        log_every=config["log_every"],
    )
    arm, seed = cast(Arm, stored["arm"]), int(stored["seed"])
    return plan, dataset, arm, seed, load_trained(folder, plan, dataset, arm, seed, plugins)


def load_trained(folder: Path, plan: Plan, dataset: GZSLDataset, arm: Arm, seed: int, plugins: Plugins) -> Trained:
    """Build the networks of a run and load their weights.

    Raises :class:`~d3wrap.errors.DataError` where training did not end, or weights do not fit.
    """
    seconds = _training_seconds(folder)
    backbone, enhancer = build(plan, dataset, arm, seed, plugins)
    load_weights(folder / "generator.safetensors", backbone)
    if enhancer is not None:
        enhancer.load_state_dict(read_weights(folder / "enhancer.safetensors"))
    choice = read_choice(folder / FILE) if plan.protocol == "honest" else None
    vault = Vault(dataset)
    steps = decide(vault, plan, backbone, choice)
    return Trained(backbone.eval(), enhancer, seconds, vault, steps, choice, Snapshots(folder))


def _training_seconds(folder: Path) -> float:
    hint = "the run did not end; train it again"
    return float(_read(folder / "training.json", {"seconds": int | float}, hint)["seconds"])


def _check_same(recorded: Mapping[str, str], dataset: GZSLDataset, folder: Path) -> None:
    for name, value in recorded.items():
        found = dataset.provenance.get(name)
        if found != value:
            raise DataError(
                f"{folder} was trained on data with {name} {value}, found {found}: give the same data, with --data if "
                "they moved"
            )
