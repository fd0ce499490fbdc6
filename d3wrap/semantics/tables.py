"""Class semantics from wherever they are: a file of ours, a dataset, or a benchmark's split file alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from d3wrap.data.class_matching import match_names
from d3wrap.data.class_names import numbered, read_class_names
from d3wrap.data.limits import DEFAULT_LIMITS
from d3wrap.data.load import read_dataset
from d3wrap.data.matlab import read_matlab
from d3wrap.data.names import is_name
from d3wrap.data.semantics_file import ENTRY, read_semantics
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.data.xlsa17_files import PREFERRED_SPLIT
from d3wrap.errors import DataError


@dataclass(frozen=True)
class Table:
    """Semantics ``[C, k]``, the names of the classes, and in a few words where they come from."""

    label: str
    matrix: Tensor
    names: tuple[str, ...]

    @property
    def named(self) -> bool:
        """Whether the classes have names, and not only numbers."""
        return self.names != numbered(len(self.names))


TEXTS = (".txt", ".tsv", ".json", ".yaml", ".yml")
"""Endings of files with names or descriptions."""


def read_table(source: str) -> Table:
    """Read semantics that ``source`` names.

    A file that `d3wrap semantics build` wrote; a dataset (a name, ``.npz`` or converted); or ``FILE.mat``, a split file
    in xlsa17 format, of which ``FILE.mat:VARIABLE`` takes another variable than ``att``, or the folder it is in. Names
    of a split file's classes may stand in ``class_names.txt`` beside it. Raises what reading raises.
    """
    path, colon, variable = source.rpartition(":")
    if colon and path.endswith(".mat"):
        return _split_file(Path(path), variable)
    if source.endswith(".mat"):
        return _split_file(Path(source), "att")
    if Path(source).expanduser().is_dir() and not is_name(source):
        return _split_file(_split_of(Path(source).expanduser()), "att")
    if source.endswith(SUFFIX) and not is_name(source) and _holds_semantics(Path(source).expanduser()):
        found = read_semantics(Path(source).expanduser())
        return Table(f"{Path(source).stem} ({found.encoder})", found.matrix, found.class_names)
    if source.endswith(TEXTS) and Path(source).expanduser().is_file():
        raise DataError(
            f"{source}: holds texts, and no semantics yet: `d3wrap semantics build --descriptions {source} --out "
            "FILE.safetensors` makes them"
        )
    dataset = read_dataset(source)
    return Table(f"{dataset.name} ({dataset.provenance['semantics']})", dataset.semantics, dataset.class_names)


def aligned(table: Table, to: Table) -> Table:
    """Return ``table`` with its classes in the order of ``to``: by name where both have names, else by number.

    Raises :class:`~d3wrap.errors.DataError` where they are not the same classes, or not as many.
    """
    if table.named and to.named:
        order = match_names(table.names, table.label, to.names, to.label)
        return Table(table.label, table.matrix[order], to.names)
    if len(table.names) != len(to.names):
        raise DataError(
            f"{table.label} has {len(table.names)} classes and {to.label} {len(to.names)}; there are no names to match "
            "them by, so there must be as many"
        )
    return Table(table.label, table.matrix, to.names if to.named else table.names)


def _holds_semantics(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return ENTRY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False  # what is wrong with it is said where it is read


def _split_of(folder: Path) -> Path:
    """Return the split file of a folder as :func:`d3wrap.load_dataset` would take it; features are not needed."""
    files = sorted(folder.glob("*_splits.mat"))
    preferred = folder / f"{PREFERRED_SPLIT}.mat"
    if preferred in files or len(files) == 1:
        return preferred if preferred in files else files[0]
    if not files:
        raise DataError(f"{folder}: has no split file ({preferred.name}); give a file or a dataset's name")
    raise DataError(f"{folder}: has several split files; give one of {', '.join(str(file) for file in files)}")


def _split_file(path: Path, variable: str) -> Table:
    with tempfile.TemporaryDirectory(prefix="d3wrap-") as scratch:
        file = read_matlab(path, (variable, "allclasses_names"), Path(scratch), DEFAULT_LIMITS)
    matrix = torch.from_numpy(file.array(variable)).to(torch.float32)
    beside = path.with_name("class_names.txt")
    if "allclasses_names" in file.texts:
        names = tuple(file.texts["allclasses_names"])
    elif beside.is_file():
        names = read_class_names(beside, len(matrix))
    else:
        names = numbered(len(matrix))
    if matrix.ndim != 2 or len(names) != len(matrix):
        shape = " × ".join(map(str, tuple(matrix.shape)[::-1]))
        raise DataError(f"{path}: {variable} is {shape}, expected a column for each of {len(names)} classes")
    return Table(f"{path.parent.resolve().name} ({variable})", matrix, names)
