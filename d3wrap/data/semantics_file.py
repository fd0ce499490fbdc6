"""A file of class semantics: a matrix, the names of its rows, and what it was made of.

A safetensors file with one tensor, ``semantics`` ``[C, k]`` in float32. Its header has one entry of text,
``d3wrap_semantics``: JSON with ``version``, ``class_names``, ``encoder``, ``settings``, ``templates``, ``provenance``.
Nothing in it depends on when or where it was written: the same inputs give the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.tensor_file import SUFFIX, TensorFile, is_text, is_text_by_name, is_texts
from d3wrap.errors import DataError
from d3wrap.files import atomic_path

VERSION = 1
ENTRY = "d3wrap_semantics"
_AGAIN = "build it again (d3wrap semantics build)"


@dataclass(frozen=True)
class ClassSemantics:
    """One row of semantics per class, and where the numbers came from."""

    matrix: Tensor
    """``[C, k]`` float32, finite."""
    class_names: tuple[str, ...]
    """Names of the rows, in order and as they were given."""
    encoder: str = "unknown"
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The encoder's settings; numbers, text, booleans and ``None``."""
    templates: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What else the numbers depend on: ``sha256.<file>`` of inputs, weights, versions."""


def write_semantics(semantics: ClassSemantics, path: str | os.PathLike[str]) -> None:
    """Write semantics to ``path``, ending in ``.safetensors``, whole or not at all.

    Raises :class:`~d3wrap.errors.DataError` for another ending, and for what :func:`read_semantics` would refuse.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise DataError(f"{target}: a file of semantics must end in {SUFFIX}")
    matrix = semantics.matrix.detach().to("cpu", torch.float32).contiguous()
    _check(target, matrix, semantics.class_names)
    header = {
        "version": VERSION,
        "class_names": semantics.class_names,
        "encoder": semantics.encoder,
        "settings": dict(semantics.settings),
        "templates": semantics.templates,
        "provenance": dict(semantics.provenance),
    }
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, sort_keys=True)
    with atomic_path(target) as temporary:
        save_file({"semantics": matrix}, temporary, metadata={ENTRY: text})


def read_semantics(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> ClassSemantics:
    """Read what :func:`write_semantics` wrote.

    Raises :class:`~d3wrap.errors.DataError` for another kind of file, another version, and for a matrix that is not
    ``[C, k]`` float32 and finite with a name for each row.
    """
    source = Path(path)
    header, tensors = _FILE.read(source, limits)
    if list(tensors) != ["semantics"] or tensors["semantics"].dtype != torch.float32:
        found = ", ".join(f"{name} ({tensor.dtype})" for name, tensor in tensors.items()) or "none"
        raise DataError(f"{source}: has the tensors {found}, expected semantics (torch.float32) alone; {_AGAIN}")
    _check(source, tensors["semantics"], header["class_names"])
    return ClassSemantics(
        matrix=tensors["semantics"],
        class_names=tuple(header["class_names"]),
        encoder=header["encoder"],
        settings=header["settings"],
        templates=tuple(header["templates"]),
        provenance=header["provenance"],
    )


def _other(metadata: Mapping[str, str]) -> str:
    what = "is a whole dataset: give it as --data" if "d3wrap" in metadata else "holds no semantics"
    return f"{what}; a file of semantics is written by `d3wrap semantics build`"


_FILE = TensorFile(
    entry=ENTRY,
    version=VERSION,
    fields={
        "class_names": is_texts,
        "encoder": is_text,
        "settings": lambda value: isinstance(value, dict),
        "templates": is_texts,
        "provenance": is_text_by_name,
    },
    other=_other,
    again=_AGAIN,
)


def _check(path: Path, matrix: Tensor, names: Any) -> None:
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(f"{path}: the matrix has shape {tuple(matrix.shape)}, expected [classes, width]")
    if len(names) != len(matrix):
        raise DataError(f"{path}: {len(names)} class names for {len(matrix)} rows, expected as many")
    finite = torch.isfinite(matrix).all(1)
    if not finite.all():
        row = int((~finite).nonzero()[0])
        raise DataError(f"{path}: the row of {names[row]!r} has values that are NaN or infinite")
