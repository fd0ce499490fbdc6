"""What features were made with: everything that their numbers depend on, kept in the file that holds them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from d3wrap.errors import DataError
from d3wrap.vision.extraction import Extracted, Pace
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.images import ImageSource

ENTRY = "extraction"
"""Name of the record in the header of a dataset's file, and of the array in a file of features alone."""
SHOWN = 5


def settings_of(model: ImageModel, pace: Pace) -> dict[str, Any]:
    """Return what decides the numbers beside the images, as JSON can hold it."""
    on_cpu = torch.device(model.device).type == "cpu"
    return {
        "model": model.name,
        "weights": {"from": model.weights.described, "sha256": model.weights.sha256},
        "preprocessing": dict(model.preprocessing.settings),
        "versions": {"d3wrap": version("d3wrap"), **model.versions},
        "device": model.device if on_cpu else f"{model.device} ({torch.cuda.get_device_name(model.device)})",
        "precision": pace.precision,
        "threads": torch.get_num_threads() if on_cpu else None,
        "batch_size": pace.batch_size,
    }


def identity(model: ImageModel, pace: Pace, source: ImageSource, names: Sequence[str]) -> dict[str, Any]:
    """Return what must be the same for an extraction to go on: the settings, and which images in which order."""
    listed = hashlib.sha256("\n".join(names).encode()).hexdigest()
    images = {"source": str(source.path.resolve()), "count": len(names), "sha256 of names": listed}
    return {**settings_of(model, pace), "images": images}


@dataclass(frozen=True)
class Record:
    """The settings of an extraction and the images it saw."""

    settings: dict[str, Any]
    source: str
    """Name of the folder or zip file."""
    images: tuple[str, ...]
    """The image of each row of features."""
    digests: tuple[str, ...]
    """SHA-256 of each of ``images``."""
    broken: dict[str, str]
    """Images that were left out, and what is wrong with them."""

    @classmethod
    def of(cls, model: ImageModel, pace: Pace, source: ImageSource, names: Sequence[str], found: Extracted) -> Record:
        """Return the record of an extraction."""
        return cls(
            settings_of(model, pace),
            source.path.name,
            tuple(names[place] for place in found.kept),
            tuple(found.digests[place] for place in found.kept),
            {names[place]: reason for place, reason in found.broken.items()},
        )

    def rows(self, kept: Sequence[int]) -> Record:
        """Return the record of some of the rows, in the order given."""
        images = tuple(self.images[row] for row in kept)
        return Record(self.settings, self.source, images, tuple(self.digests[row] for row in kept), self.broken)

    def images_sha256(self) -> str:
        """Return one hash over all images, their names and their order."""
        lines = (f"{name} {digest}" for name, digest in zip(self.images, self.digests, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def provenance(self) -> dict[str, str]:
        """Return it in a few lines, as a dataset's provenance has them."""
        weights, used = self.settings["weights"], self.settings["preprocessing"]
        lines = {
            "features": self.settings["model"],
            "weights": f"{weights['from']}, sha256 {weights['sha256']}",
            "preprocessing": json.dumps(used, ensure_ascii=False),
            "versions": ", ".join(f"{name} {number}" for name, number in self.settings["versions"].items()),
            "computed": ", ".join(
                f"{name} {self.settings[name]}"
                for name in ("device", "precision", "threads", "batch_size")
                if self.settings[name] is not None
            ),
            "images": f"{self.source}: {len(self.images):,} images, sha256 {self.images_sha256()}",
        }
        if self.broken:
            more = f" and {len(self.broken) - SHOWN} more" if len(self.broken) > SHOWN else ""
            lines["left out"] = f"{len(self.broken)} broken images: {', '.join(list(self.broken)[:SHOWN])}{more}"
        return lines

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"version": 1, **vars(self)}

    @classmethod
    def parse(cls, found: Any, where: str) -> Record:
        """Return the record that :meth:`plain` gave; raises :class:`~d3wrap.errors.DataError` for another one."""
        try:
            parts = dict(found)
            if parts.pop("version") != 1:
                raise ValueError("it is of another version")
            record = cls(**{**parts, "images": tuple(parts["images"]), "digests": tuple(parts["digests"])})
            if len(record.images) != len(record.digests):
                raise ValueError("it has as many names as hashes of images")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{where}: its record of an extraction cannot be read ({error}); extract again") from error
        return record


def read_record(path: str | os.PathLike[str]) -> Record | None:
    """Return the record in a dataset's file or a file of features, ``None`` where extraction did not make it.

    Raises :class:`~d3wrap.errors.DataError` for a file that cannot be read.
    """
    source = Path(path)
    try:
        if source.suffix == ".npz":
            with np.load(source, allow_pickle=False) as file:
                found = json.loads(str(file[ENTRY])) if ENTRY in file else None
        else:
            with safe_open(source, framework="numpy") as opened:
                header = (opened.metadata() or {}).get("d3wrap")
            found = json.loads(header).get(ENTRY) if header else None
    except (SafetensorError, OSError, ValueError, EOFError) as error:
        raise DataError(f"{source}: cannot be read ({error})") from error
    except Exception as error:  # zipfile.BadZipFile and what else a damaged archive leads to
        raise DataError(f"{source}: is damaged ({error})") from error
    return None if found is None else Record.parse(found, str(source))


def image_names(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Return the image of each row of a dataset that extraction made, ``None`` for any other dataset's file."""
    record = read_record(path)
    return None if record is None else record.images
