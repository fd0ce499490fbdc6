"""d3wrap's own file format: a safetensors file that holds a whole dataset, unscaled, and loads by memory map.

The tensors are :class:`GZSLDataset`'s, under the names of its fields. The safetensors header has one entry of
text, ``d3wrap``: JSON with ``version``, ``name``, ``class_names``, ``provenance`` and ``image_shape``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import Limits
from d3wrap.data.opening import first_bytes
from d3wrap.data.semantics_file import ENTRY
from d3wrap.errors import DataError
from d3wrap.files import atomic_path, sha256_of

VERSION = 1
SUFFIX = ".safetensors"
NUMBERS = ("features", "semantics", "teacher_features", "text_features")
TENSORS = ("features", "labels", "semantics", "seen", "unseen", "train", "test_seen", "test_unseen")
OPTIONAL_TENSORS = ("official_train", "official_val", "teacher_features", "text_features")
_AGAIN = "convert the source again (d3wrap data convert)"


def write_converted(dataset: GZSLDataset, path: Path, extra: Mapping[str, Any] | None = None) -> None:
    """Write an unscaled dataset with all its training rows to ``path``, whole or not at all.

    ``extra`` are more entries for the JSON in the header, which :func:`read_converted` passes over.
    """
    if dataset.scaler is not None:
        raise DataError(f"{path}: a scaled dataset cannot be written; load it with scale='none'")
    if dataset.train_fraction != 1:
        raise DataError(f"{path}: a fraction of a dataset cannot be written; load it with train_fraction=1")
    header = {
        **(extra or {}),
        "version": VERSION,
        "name": dataset.name,
        "class_names": dataset.class_names,
        "provenance": dict(dataset.provenance),
        "image_shape": dataset.image_shape,
    }
    tensors = {
        name: value.contiguous()
        for name in (*TENSORS, *OPTIONAL_TENSORS)
        if (value := getattr(dataset, name)) is not None
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"d3wrap": json.dumps(header, ensure_ascii=False)})


def read_converted(path: Path, limits: Limits) -> GZSLDataset:
    """Read what :func:`write_converted` wrote; the features stay on disk until they are used.

    Raises :class:`~d3wrap.errors.DataError` for another kind of file, another version or a missing tensor.
    """
    first_bytes(path, 1, limits)
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: is not a sound safetensors file ({error}); {_AGAIN}") from error
    _check_tensors(path, tensors)
    shape = header["image_shape"]
    return GZSLDataset(
        name=header["name"],
        class_names=tuple(header["class_names"]),
        provenance=header["provenance"],
        image_shape=None if shape is None else (shape[0], shape[1]),
        **tensors,
    )


def _header(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    if metadata and ENTRY in metadata:
        raise DataError(f"{path}: holds class semantics alone: give it as --semantics")
    if not metadata or "d3wrap" not in metadata:
        raise DataError(f"{path}: was not written by d3wrap (no 'd3wrap' entry in its header); {_AGAIN}")
    try:
        header = json.loads(metadata["d3wrap"])
    except ValueError as error:
        raise DataError(f"{path}: its header is not JSON ({error}); {_AGAIN}") from error
    version = header.get("version") if isinstance(header, dict) else None
    if version != VERSION:
        raise DataError(f"{path}: has format version {version!r}, this d3wrap reads version {VERSION}; {_AGAIN}")
    for key, valid in _HEADER.items():
        if not valid(header.get(key)):
            raise DataError(f"{path}: its header's {key!r} is missing or malformed; {_AGAIN}")
    return dict(header)


def _texts(value: Any) -> bool:
    return all(isinstance(text, str) for text in value)


_HEADER = {
    "name": lambda value: isinstance(value, str),
    "class_names": lambda value: isinstance(value, list) and _texts(value),
    "provenance": lambda value: isinstance(value, dict) and _texts(value.values()),
    "image_shape": lambda value: value is None or (isinstance(value, list) and [type(v) for v in value] == [int, int]),
}


def _check_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    for name in TENSORS:
        if name not in tensors:
            raise DataError(f"{path}: has no tensor {name!r}; {_AGAIN}")
    for name, tensor in tensors.items():
        if name not in TENSORS + OPTIONAL_TENSORS:
            raise DataError(f"{path}: has an unknown tensor {name!r}; {_AGAIN}")
        expected = torch.float32 if name in NUMBERS else torch.int64
        if tensor.dtype != expected:
            raise DataError(f"{path}: {name} is {tensor.dtype}, expected {expected}; {_AGAIN}")


def check_sources(path: Path, provenance: Mapping[str, str]) -> None:
    """Raise :class:`~d3wrap.errors.DataError` if a source beside a converted file is not what it was made from."""
    for key, digest in provenance.items():
        source = path.parent / Path(key.removeprefix("sha256.")).name
        if key.startswith("sha256.") and source.is_file() and sha256_of(source) != digest:
            raise DataError(f"{path}: {source.name} beside it has changed since it was converted; {_AGAIN}")
