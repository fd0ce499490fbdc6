"""What an extraction has done so far, on disk, so that a killed one can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from d3wrap.comparison.identity import differences
from d3wrap.errors import ConfigError
from d3wrap.files import atomic_path, write_json

RECORD = "extraction.json"


@dataclass(frozen=True)
class Part:
    """The features of some images that follow each other in an extraction's list."""

    features: Tensor
    """``[m, d]`` float32, a row for each image that is not broken, in order."""
    digests: tuple[str, ...]
    """SHA-256 of the content of every image, broken ones too."""
    broken: Mapping[int, str]
    """What is wrong with an image, by its place in the list."""


class Parts:
    """The folder of an extraction that goes on: what it is, and a file for every part that is done.

    ``identity`` is everything that the features depend on, as JSON can hold it. Raises
    :class:`~d3wrap.errors.ConfigError` where the folder holds parts of another extraction, with what differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        record = folder / RECORD
        if folder.is_dir() and any(folder.iterdir()):
            try:
                stored = json.loads(record.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                raise ConfigError(
                    f"{folder} is not empty, and holds no extraction to go on with: remove it, or choose another --out"
                ) from None
            if found := differences(stored, identity):
                raise ConfigError(
                    f"{folder} holds the parts of another extraction: {found}. Give the same options to go on with it, "
                    "or add --overwrite to begin again"
                )
            self.resumed = True
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(record, identity)
            self.resumed = False

    def _file(self, start: int) -> Path:
        return self.folder / f"part-{start:08d}.safetensors"

    def write(self, start: int, part: Part) -> None:
        """Keep the part that begins at place ``start`` of the list."""
        details = json.dumps({"digests": part.digests, "broken": {str(k): v for k, v in part.broken.items()}})
        with atomic_path(self._file(start)) as temporary:
            save_file({"features": part.features.contiguous()}, temporary, metadata={"part": details})

    def read(self, start: int) -> Part | None:
        """Return the part that begins at ``start``, or ``None`` where there is none, or none that is whole."""
        try:
            with safe_open(self._file(start), framework="pt") as file:
                details = json.loads(file.metadata()["part"])
                features = file.get_tensor("features")
        except (OSError, SafetensorError, ValueError, KeyError):
            return None
        broken = {int(place): reason for place, reason in details["broken"].items()}
        return Part(features, tuple(details["digests"]), broken)

    def remove(self) -> None:
        """Remove the folder."""
        remove_parts(self.folder)


def remove_parts(folder: Path) -> None:
    """Remove the folder of an extraction; raises :class:`~d3wrap.errors.ConfigError` where it is none."""
    if not folder.exists():
        return
    if not (folder / RECORD).is_file():
        raise ConfigError(f"{folder} holds no {RECORD}, so d3wrap did not make it and will not remove it")
    shutil.rmtree(folder)
