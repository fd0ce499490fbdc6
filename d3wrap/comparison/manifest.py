"""What a run was made of, so that it can be made again."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from d3wrap.data.dataset import GZSLDataset

PACKAGES = ("d3wrap", "torch", "numpy", "scipy", "pluggy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of what computes: d3wrap, torch, numpy, scipy, pluggy."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def manifest(
    *,
    config: Mapping[str, Any],
    seed: int,
    arm: str,
    dataset: GZSLDataset,
    precision: str,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Describe a run as JSON can hold it: settings, seed, arm, data, machine, number format, versions, command line.

    Device and dtype are those of the dataset's features; ``command`` is by default that of this process.
    """
    device = dataset.features.device
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(sys.argv if command is None else command),
        "arm": arm,
        "seed": seed,
        "config": dict(config),
        "dataset": {
            "name": dataset.name,
            "rows": int(dataset.features.shape[0]),
            "train_rows": len(dataset.train),
            "train_fraction": dataset.train_fraction,
            "feature_dim": dataset.feature_dim,
            "semantic_dim": dataset.semantic_dim,
            "seen": len(dataset.seen),
            "unseen": len(dataset.unseen),
            "scaled": dataset.scaler is not None,
            "provenance": dict(dataset.provenance),
        },
        "machine": {
            "platform": platform.platform(),
            "cpu": _cpu_name(),
            "threads": torch.get_num_threads(),
            "device": str(device),
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "cuda": torch.version.cuda if device.type == "cuda" else None,
        },
        "dtype": str(dataset.features.dtype).removeprefix("torch."),
        "precision": precision,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "versions": versions(),
    }


def _cpu_name() -> str:
    """Return the processor's name; Linux keeps it where ``platform`` does not look."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
