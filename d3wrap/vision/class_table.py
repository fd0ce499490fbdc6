"""Class semantics with the classes' names, from any file that holds both."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.matlab import read_matlab
from d3wrap.data.opening import first_bytes
from d3wrap.data.semantics_file import read_semantics
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.errors import DataError


@dataclass(frozen=True)
class ClassTable:
    """A row of semantics for each class."""

    names: tuple[str, ...]
    matrix: Tensor
    """``[C, k]`` float32."""
    described: str
    """The file and what made it."""

    def chosen(self, rows: Sequence[int]) -> ClassTable:
        """Return the table of some of the classes."""
        return replace(self, names=tuple(self.names[row] for row in rows), matrix=self.matrix[list(rows)])


def read_class_table(path: Path, limits: Limits = DEFAULT_LIMITS) -> ClassTable:
    """Read what `d3wrap semantics build` wrote, or an ``.npz`` or ``.mat`` file.

    An ``.npz`` file has ``semantics`` [C, k] and ``class_names`` [C], a ``.mat`` file ``att`` k × C and
    ``allclasses_names``. Raises :class:`~d3wrap.errors.DataError` for another kind of file, and where one of both is
    missing or they do not fit.
    """
    if path.suffix == SUFFIX:
        found = read_semantics(path, limits)
        return ClassTable(found.class_names, found.matrix, f"{path.name} ({found.encoder})")
    if path.suffix == ".npz":
        names, matrix = _of_npz(path, limits)
    elif path.suffix == ".mat":
        names, matrix = _of_mat(path, limits)
    else:
        raise DataError(f"{path}: expected a file of `d3wrap semantics build`, .npz or .mat with class names")
    if matrix.ndim != 2 or len(names) != len(matrix) or 0 in matrix.shape:
        raise DataError(f"{path}: has {len(names)} class names and semantics of shape {tuple(matrix.shape)}")
    if not torch.isfinite(matrix).all():
        raise DataError(f"{path}: its semantics have values that are NaN or infinite")
    return ClassTable(names, matrix, path.name)


def _of_npz(path: Path, limits: Limits) -> tuple[tuple[str, ...], Tensor]:
    first_bytes(path, 1, limits)
    try:
        with np.load(path, allow_pickle=False) as file:
            names, matrix = file["class_names"], file["semantics"]
    except KeyError as error:
        raise DataError(f"{path}: has no array {error}, expected class_names and semantics") from error
    except Exception as error:  # numpy has no common base for what a damaged file does to it
        raise DataError(f"{path}: cannot be read as .npz ({error})") from error
    if names.dtype.kind != "U" or names.ndim != 1 or matrix.dtype.kind not in "biuf":
        raise DataError(
            f"{path}: expected class_names as text and semantics as numbers, found {names.dtype}, {matrix.dtype}"
        )
    return tuple(names.tolist()), torch.from_numpy(matrix.astype(np.float32))


def _of_mat(path: Path, limits: Limits) -> tuple[tuple[str, ...], Tensor]:
    with tempfile.TemporaryDirectory(prefix="d3wrap-") as scratch:
        file = read_matlab(path, ("att", "allclasses_names"), Path(scratch), limits)
    if "allclasses_names" not in file.texts:
        raise DataError(f"{path}: has no allclasses_names, and classes are matched by name; write an .npz file")
    return tuple(file.texts["allclasses_names"]), torch.from_numpy(file.array("att").astype(np.float32))
