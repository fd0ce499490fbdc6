"""One folder per run: ``manifest.json``, ``metrics.jsonl``, weights, and checkpoints while it is under way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.store import CheckpointStore
from d3wrap.comparison.identity import bits_depend_on, require_same
from d3wrap.errors import DataError
from d3wrap.files import atomic_path, write_json


class RunFolder:
    """The folder of one run, created where it does not exist.

    Raises :class:`~d3wrap.errors.DataError` where a run is already stored there: a run is never written over. With
    ``resume`` it is gone on with instead.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path = Path(path)
        if not resume and (self.path / "manifest.json").exists():
            raise DataError(f"{self.path}: holds a run already; choose another folder or remove it")
        self.path.mkdir(parents=True, exist_ok=True)
        self._manifest: Mapping[str, Any] = {}

    def clean(self) -> None:
        """Remove what an earlier attempt left half-written or behind, and why it failed; only who has the lock may."""
        if (self.path / "training.json").exists():
            CheckpointStore(self.path / "checkpoints").clear()
        for left in [*self.path.glob(".*.tmp"), *self.path.glob("checkpoints/.*.tmp"), self.path / "error.txt"]:
            left.unlink(missing_ok=True)
        if (self.path / "result.json").exists():  # killed just before it removed what the result was measured from
            shutil.rmtree(self.path / "snapshots", ignore_errors=True)

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``, or check that the one there is of the same run.

        Raises :class:`~d3wrap.errors.DataError` that shows the difference.
        """
        path = self.path / "manifest.json"
        if path.exists():
            require_same(path, manifest)
        else:
            self.write_manifest(manifest)
        self._manifest = manifest

    def checkpoints(self, every: float) -> Checkpoints:
        """Return the run's checkpoints, in a folder of that name; ``metrics.jsonl`` follows them. See :meth:`begin`."""
        made_with = bits_depend_on(self._manifest)
        return Checkpoints(self.path / "checkpoints", every, made_with, self.path / "metrics.jsonl")

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``."""
        write_json(self.path / "manifest.json", dict(manifest))

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``; it is on its way to disk when this returns."""
        line = json.dumps(dict(record), ensure_ascii=False, allow_nan=False)
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def save_weights(self, name: str, weights: nn.Module | Mapping[str, Tensor]) -> Path:
        """Write a network's parameters and buffers as ``NAME.safetensors``, atomically, and return the path."""
        state = weights.state_dict() if isinstance(weights, nn.Module) else weights
        path = self.path / f"{name}.safetensors"
        save_tensors(path, state)
        return path


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name as a safetensors file, atomically."""
    with atomic_path(path) as temporary:
        # Tied weights share memory, which the format does not allow: each name gets its own copy.
        safetensors.torch.save_file({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, temporary)


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return what :meth:`RunFolder.save_weights` wrote; raises :class:`~d3wrap.errors.DataError` naming the file."""
    try:
        return safetensors.torch.load_file(Path(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError(f"{path}: not a safetensors file that can be read: {error}") from error


def load_weights(path: str | os.PathLike[str], network: nn.Module) -> None:
    """Load what :meth:`RunFolder.save_weights` wrote into ``network``, in place, on its own device and dtype.

    Raises :class:`~d3wrap.errors.DataError` that names the file and the parameters missing, unknown or of another
    shape; the network is unchanged then.
    """
    stored = read_weights(path)
    own = network.state_dict()
    faults = [
        *(f"{key} is missing" for key in own if key not in stored),
        *(f"{key} is unknown to the network" for key in stored if key not in own),
        *(
            f"{key} has shape {list(stored[key].shape)}, the network's has {list(own[key].shape)}"
            for key in own
            if key in stored and stored[key].shape != own[key].shape
        ),
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise DataError(f"{path} does not fit {type(network).__name__}: {'; '.join(faults[:3])}{more}")
    network.load_state_dict(stored)
