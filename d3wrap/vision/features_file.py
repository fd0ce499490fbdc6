"""Features of images and nothing else: an ``.npz`` file that a dataset is made of later."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.opening import first_bytes
from d3wrap.errors import DataError
from d3wrap.files import atomic_path
from d3wrap.vision.record import ENTRY, Record

SUFFIX = ".npz"


def write_features(features: Tensor, record: Record, path: Path) -> None:
    """Write features ``[n, d]``, the images' names ``[n]`` and the record of the extraction, whole or not at all."""
    arrays = {"image_names": np.array(record.images), ENTRY: np.array(json.dumps(record.plain(), ensure_ascii=False))}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, features=features.numpy(), **arrays)


def read_features(path: Path, limits: Limits = DEFAULT_LIMITS) -> tuple[Tensor, Record]:
    """Read what :func:`write_features` wrote.

    Raises :class:`~d3wrap.errors.DataError` for another kind of file.
    """
    first_bytes(path, 1, limits)
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: is no .npz file; expected one of `d3wrap features extract --out FILE.npz`")
    try:
        with np.load(path, allow_pickle=False) as file:
            features, found = file["features"], json.loads(str(file[ENTRY]))
    except KeyError as error:
        raise DataError(f"{path}: has no array {error}; expected a file of `d3wrap features extract`") from error
    except Exception as error:  # numpy has no common base for what a damaged file does to it
        raise DataError(f"{path}: cannot be read as .npz ({error})") from error
    record = Record.parse(found, str(path))
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != len(record.images):
        raise DataError(
            f"{path}: features is {features.dtype} of shape {features.shape}, expected float32 and "
            f"{len(record.images)} rows, one for each image; extract again"
        )
    return torch.from_numpy(features), record
