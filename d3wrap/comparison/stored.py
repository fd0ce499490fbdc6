"""Build a run again from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from d3wrap.comparison.run import Arm, Plan, Trained, build
from d3wrap.comparison.run_folder import load_weights, read_weights
from d3wrap.config import apply_overrides
from d3wrap.data import GZSLDataset, load_dataset
from d3wrap.errors import DataError
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.training.precision import resolve_device


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; raises :class:`~d3wrap.errors.DataError` where the folder holds none."""
    path = folder / "manifest.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give the folder of one run, e.g. compare's …/ARM") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(stored, dict) or not {"config", "arm", "seed", "dataset", "dtype", "precision"} <= set(stored):
        raise DataError(f"{path}: is not a manifest that d3wrap wrote")
    return stored


def load_run(
    folder: Path, *, device: str = "auto", source: str | None = None
) -> tuple[Plan, GZSLDataset, Arm, int, Trained]:
    """Load a trained run: its plan, dataset, arm, seed and networks.

    ``source`` is where the dataset is now, if it moved. Raises :class:`~d3wrap.errors.DataError` where the data are not
    those it was trained on, or weights do not fit.
    """
    stored = read_manifest(folder)
    config: Mapping[str, Any] = stored["config"]
    plugins = load_plugins(block=config["block"])
    arguments = dict(config["data"])
    recorded = arguments.pop("source")
    dataset = load_dataset(source or recorded, **arguments)
    _check_same(stored["dataset"]["provenance"], dataset, folder)
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
    )
    arm, seed = cast(Arm, stored["arm"]), int(stored["seed"])
    backbone, enhancer = build(plan, dataset, arm, seed, plugins)
    load_weights(folder / "generator.safetensors", backbone)
    if enhancer is not None:
        enhancer.load_state_dict(read_weights(folder / "enhancer.safetensors"))
    return plan, dataset, arm, seed, Trained(backbone, enhancer, 0.0)


def _check_same(recorded: Mapping[str, str], dataset: GZSLDataset, folder: Path) -> None:
    for name, value in recorded.items():
        found = dataset.provenance.get(name)
        if found != value:
            raise DataError(
                f"{folder} was trained on data with {name} {value}, found {found}: give the same data, with --data if "
                "they moved"
            )
