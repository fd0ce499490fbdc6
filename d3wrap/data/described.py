"""Describe the classes of a dataset by a file of semantics instead of its own."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from d3wrap.data.class_matching import match_names
from d3wrap.data.class_names import numbered
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.semantics_file import ClassSemantics, read_semantics
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of


def is_semantics_file(semantics: str | os.PathLike[str]) -> bool:
    """Return whether ``semantics`` names a file and not a variable of a split file.

    Raises :class:`~d3wrap.errors.ConfigError` for what can be neither.
    """
    if Path(semantics).suffix == SUFFIX:
        return True
    # A variable of a MATLAB file has letters, digits and underscores in its name.
    if not isinstance(semantics, str) or not re.fullmatch(r"\w+", semantics):
        raise ConfigError(
            f"semantics={os.fspath(semantics)!r}: expected a variable of the split file, or a {SUFFIX} file that "
            "`d3wrap semantics build` wrote"
        )
    return False


def with_semantics(dataset: GZSLDataset, path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> GZSLDataset:
    """Return the dataset with the semantics of the file at ``path``, its rows in the order of the dataset's classes.

    Classes are matched by name (:func:`d3wrap.data.class_matching.match_names`), or by number where the dataset's
    classes have no names. The provenance's ``semantics`` names the file, its encoder and the beginning of its SHA-256.
    Raises :class:`~d3wrap.errors.DataError` where the file cannot be read, or its classes are not the dataset's.
    """
    source = Path(path).expanduser()
    found = read_semantics(source, limits)
    digest = sha256_of(source)
    order, how = class_order(found, str(source), dataset.class_names, f"dataset {dataset.name}")
    label = f"{source.name} ({found.encoder}, {digest[:8]}{how})"
    return replace(
        dataset,
        semantics=found.matrix[order].to(dataset.semantics),
        provenance={**dataset.provenance, "semantics": label, f"sha256.{source.name}": digest},
    )


def class_order(found: ClassSemantics, where: str, wanted: tuple[str, ...], by: str) -> tuple[list[int], str]:
    """Return the row of ``found`` for each class of ``wanted``, and a remark where they were matched by number.

    Raises :class:`~d3wrap.errors.DataError` where classes are missing or left over.
    """
    named = numbered(len(wanted)) != wanted and numbered(len(found.class_names)) != found.class_names
    if named:
        return match_names(found.class_names, where, wanted, by), ""
    if len(wanted) != len(found.class_names):
        raise DataError(
            f"{where}: has {len(found.class_names)} classes and {by} {len(wanted)}; there are no names to match "
            "them by, so there must be as many"
        )
    return list(range(len(wanted))), ", by number"
