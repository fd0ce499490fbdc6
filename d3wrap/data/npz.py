"""Read a dataset from one plain ``.npz`` file; ``docs/data.md`` lists the keys."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.data.class_names import numbered
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import Limits
from d3wrap.data.opening import first_bytes
from d3wrap.data.splits import hold_out
from d3wrap.errors import DataError, did_you_mean
from d3wrap.files import sha256_of

REQUIRED = ("features", "labels", "semantics")
ROWS = ("train", "test_seen", "test_unseen")
KNOWN = (*REQUIRED, *ROWS, "seen", "unseen", "class_names", "teacher_features", "text_features")
HELD_OUT = 0.2

Arrays = dict[str, NDArray[Any]]


def read_npz(path: Path, limits: Limits) -> GZSLDataset:
    """Read a dataset, unscaled; without row arrays 20 % of each seen class's rows (seed 0) become ``test_seen``.

    Raises :class:`~d3wrap.errors.DataError` for a file that is not an ``.npz`` of plain arrays with these keys.
    """
    arrays = _read_arrays(path, limits)
    _check_keys(path, arrays)
    labels = _integers(path, arrays, "labels")
    semantics = _numbers(path, arrays, "semantics")
    if all(name in arrays for name in ROWS):
        train, test_seen, test_unseen = (_integers(path, arrays, name) for name in ROWS)
        split = "rows given"
    else:
        train, test_seen, test_unseen = _split(path, labels, _integers(path, arrays, "unseen"))
        split = f"{HELD_OUT:.0%} of each seen class held out"
    names = arrays.get("class_names")
    return GZSLDataset(
        name=path.stem,
        features=_numbers(path, arrays, "features"),
        labels=labels,
        semantics=semantics,
        seen=_classes(path, arrays, "seen", labels, train),
        unseen=_classes(path, arrays, "unseen", labels, test_unseen),
        train=train,
        test_seen=test_seen,
        test_unseen=test_unseen,
        class_names=numbered(len(semantics)) if names is None else tuple(str(name) for name in names),
        provenance={
            "features": path.name,
            "split": split,
            "semantics": "semantics",
            f"sha256.{path.name}": sha256_of(path),
        },
        teacher_features=_numbers(path, arrays, "teacher_features") if "teacher_features" in arrays else None,
        text_features=_numbers(path, arrays, "text_features") if "text_features" in arrays else None,
    )


def _read_arrays(path: Path, limits: Limits) -> Arrays:
    if first_bytes(path, 4, limits) != b"PK\x03\x04":
        raise DataError(f"{path}: is not an .npz file; write it with numpy.savez_compressed")
    key = None
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > limits.memory_bytes:
            raise DataError(f"{path}: unpacks to {size:,} bytes, more than the limit of {limits.memory_bytes:,}")
        arrays = {}
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                arrays[key] = file[key]
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError, EOFError, OSError, MemoryError, RuntimeError,
            NotImplementedError, zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        where = f"{key} cannot be read" if key else "is damaged"
        raise DataError(
            f"{path}: {where} ({error}); write plain arrays of numbers or text with numpy.savez_compressed"
        ) from error
    return arrays


def _check_keys(path: Path, arrays: Arrays) -> None:
    if {"image_names", "extraction"} <= set(arrays):
        raise DataError(
            f"{path}: holds features alone, and nothing of classes; `d3wrap features join {path} --out "
            "FILE.safetensors …` makes a dataset of it"
        )
    for name in arrays:
        if name not in KNOWN:
            raise DataError(f"{path}: unknown key {name!r}{did_you_mean(name, KNOWN)}")
    for name in REQUIRED:
        if name not in arrays:
            raise DataError(f"{path}: no key {name!r}; it has {', '.join(sorted(arrays)) or 'none'}")
    given = [name for name in ROWS if name in arrays]
    if given and len(given) < len(ROWS):
        raise DataError(f"{path}: has the rows {', '.join(given)}, expected all of {', '.join(ROWS)}, or none of them")
    if not given and "unseen" not in arrays:
        raise DataError(f"{path}: no split: give the rows {', '.join(ROWS)}, or the class ids 'unseen'")
    names = arrays.get("class_names")
    if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
        raise DataError(f"{path}: class_names is {names.dtype} of shape {names.shape}, expected a vector of text")


def _numbers(path: Path, arrays: Arrays, name: str) -> Tensor:
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name} holds {array.dtype}, expected real numbers")
    return torch.from_numpy(array.astype(np.float32))


def _integers(path: Path, arrays: Arrays, name: str) -> Tensor:
    array = arrays[name]
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise DataError(f"{path}: {name} is {array.dtype} of shape {array.shape}, expected a vector of integers")
    return torch.from_numpy(array.astype(np.int64))


def _classes(path: Path, arrays: Arrays, name: str, labels: Tensor, rows: Tensor) -> Tensor:
    """Return the class ids of ``name`` as given, else the classes of its rows."""
    if name in arrays:
        return _integers(path, arrays, name).unique()
    if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < len(labels):
        raise DataError(f"{path}: the rows of {name} classes leave 0 … {len(labels) - 1}")
    return labels[rows].unique()


def _split(path: Path, labels: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    is_unseen = torch.isin(labels, unseen)
    seen = labels[~is_unseen].unique()
    for name, rows in (("seen", ~is_unseen), ("unseen", is_unseen)):
        if not rows.any():
            raise DataError(f"{path}: no image is of {'an' if name == 'unseen' else 'a'} {name} class; check 'unseen'")
    for index in seen.tolist():
        if int((labels == index).sum()) < 2:
            raise DataError(f"{path}: class {index} has one image, expected two or more to hold some out for test_seen")
    train, test_seen = hold_out(labels, seen, HELD_OUT, seed=0)
    return train, test_seen, is_unseen.nonzero().squeeze(1)
