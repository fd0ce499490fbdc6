"""One folder per run: ``manifest.json``, ``metrics.jsonl``, weights, and checkpoints while it is under way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.store import CheckpointStore
from d3wrap.checkpoints.tensors import save_tensors
from d3wrap.comparison.identity import bits_depend_on, require_same
from d3wrap.errors import DataError
from d3wrap.files import append_json, write_json


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
        if (self.path / "choice.json").exists():
            shutil.rmtree(self.path / "choice", ignore_errors=True)
        for left in [*self.path.rglob(".*.tmp"), self.path / "error.txt"]:
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
        return Checkpoints(self.path / "checkpoints", every, self.made_with, self.path / "metrics.jsonl")

    @property
    def made_with(self) -> dict[str, Any]:
        """Return what the last bits depend on besides settings. See :meth:`begin`."""
        return bits_depend_on(self._manifest)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``."""
        write_json(self.path / "manifest.json", dict(manifest))

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one line to ``metrics.jsonl``; it is on its way to disk when this returns."""
        append_json(self.path / "metrics.jsonl", record)

    def save_weights(self, name: str, weights: nn.Module | Mapping[str, Tensor]) -> Path:
        """Write a network's parameters and buffers as ``NAME.safetensors``, atomically, and return the path."""
        state = weights.state_dict() if isinstance(weights, nn.Module) else weights
        path = self.path / f"{name}.safetensors"
        save_tensors(path, state)
        return path
