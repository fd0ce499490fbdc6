"""Checkpoints in a folder: safetensors beside JSON, written so that a half-written one is never read."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from d3wrap.checkpoints.packing import pack, unpack
from d3wrap.errors import D3WrapWarning
from d3wrap.files import atomic_path

KEPT = 2
"""Checkpoints kept: the newest, and one more in case the disk loses it."""
SCHEMA = "d3wrap.checkpoint/1"


class CheckpointStore:
    """The checkpoints of one run: ``step-N.safetensors``, and ``step-N.json``, which makes it count.

    The JSON is written last, names the size and the CRC-32 of the tensors, and is removed first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, step: int, state: Any, header: Mapping[str, Any]) -> None:
        """Write a checkpoint and remove all but the newest :data:`KEPT`; ``header`` is small and JSON can hold it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors, packed = pack(state)
        content = safetensors.torch.save(tensors)
        path = self.folder / f"step-{step:09d}.json"
        path.unlink(missing_ok=True)  # of a checkpoint that could not be read and is made anew
        with atomic_path(path.with_suffix(".safetensors")) as temporary:
            temporary.write_bytes(content)
        whole = {
            "schema": SCHEMA,
            "step": step,
            "bytes": len(content),
            "crc32": zlib.crc32(content),
            "header": dict(header),
            "state": packed,
        }
        text = json.dumps(whole, ensure_ascii=False, allow_nan=False)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        _flush_folder(self.folder)
        for old in self._newest_first()[KEPT:]:
            self._remove(old)

    def read(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield header and state of each whole checkpoint, the newest first; warn of one that is broken."""
        for path in self._newest_first():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                content = path.with_suffix(".safetensors").read_bytes()
                if stored["schema"] != SCHEMA or stored["bytes"] != len(content):
                    raise ValueError("its parts do not belong together")
                if stored["crc32"] != zlib.crc32(content):
                    raise ValueError("its bytes have changed")
                header, state = stored["header"], unpack(stored["state"], _tensors(content))
            except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
                warnings.warn(
                    D3WrapWarning(f"{path}: this checkpoint is left out, it cannot be read: {error}"), stacklevel=2
                )
                continue
            yield header, state

    def clear(self) -> None:
        """Remove every checkpoint and the folder."""
        for path in self._newest_first():
            self._remove(path)
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.json"), reverse=True)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def _tensors(content: bytes) -> dict[str, Tensor]:
    # Copies, because memory of their own is aligned, and results may differ in the last bit where it is not.
    return {name: tensor.clone() for name, tensor in safetensors.torch.load(content).items()}


def _flush_folder(folder: Path) -> None:
    """Bring the names of new files to the disk, where the system can do that to a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
