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
from safetensors.torch import save_file
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import Limits
from d3wrap.data.semantics_file import ENTRY
from d3wrap.data.tensor_file import TensorFile, is_text, is_text_by_name, is_texts
from d3wrap.errors import DataError
from d3wrap.files import atomic_path, sha256_of

VERSION = 1
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
    header, tensors = _FILE.read(path, limits)
    _check_tensors(path, tensors)
    shape = header["image_shape"]
    return GZSLDataset(
        name=header["name"],
        class_names=tuple(header["class_names"]),
        provenance=header["provenance"],
        image_shape=None if shape is None else (shape[0], shape[1]),
        **tensors,
    )


def _other(metadata: Mapping[str, str]) -> str:
    if ENTRY in metadata:
        return "holds class semantics alone: give it as --semantics"
    return f"is no dataset that d3wrap wrote (no 'd3wrap' entry in its header); {_AGAIN}"


_FILE = TensorFile(
    entry="d3wrap",
    version=VERSION,
    fields={
        "name": is_text,
        "class_names": is_texts,
        "provenance": is_text_by_name,
        "image_shape": lambda value: value is None or (isinstance(value, list) and [*map(type, value)] == [int, int]),
    },
    other=_other,
    again=_AGAIN,
)


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
