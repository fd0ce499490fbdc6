"""Give a dataset what a vision–language teacher knows of its images and of its classes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.described import class_order
from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.semantics_file import read_semantics
from d3wrap.errors import DataError
from d3wrap.files import sha256_of


def with_teacher_features(dataset: GZSLDataset, other: GZSLDataset) -> GZSLDataset:
    """Return the dataset with the features of another one, of the same images in the same order, as a teacher's.

    Raises :class:`~d3wrap.errors.DataError` where labels show that rows are of other images.
    """
    same = other.labels.shape == dataset.labels.shape and torch.equal(other.labels, dataset.labels)
    if not same:
        raise DataError(
            f"{other.provenance['features']}: its {len(other.labels)} rows do not have the labels of the "
            f"{len(dataset.labels)} rows of dataset {dataset.name}; a teacher's features are of the same images in the "
            "same order"
        )
    digests = {key: value for key, value in other.provenance.items() if key.startswith("sha256.")}
    known = {**dataset.provenance, **digests, "teacher_features": other.provenance["features"]}
    return replace(dataset, teacher_features=other.features, provenance=known)


def with_text_features(
    dataset: GZSLDataset, path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS
) -> GZSLDataset:
    """Return the dataset with a file of semantics as the text features of its classes, matched by name.

    Raises :class:`~d3wrap.errors.DataError` where the file cannot be read, or its classes are not the dataset's.
    """
    source = Path(path).expanduser()
    found = read_semantics(source, limits)
    order, how = class_order(found, str(source), dataset.class_names, f"dataset {dataset.name}")
    digest = sha256_of(source)
    label = f"{source.name} ({found.encoder}, {digest[:8]}{how})"
    known = {**dataset.provenance, "text_features": label, f"sha256.{source.name}": digest}
    return replace(dataset, text_features=found.matrix[order].to(dataset.semantics), provenance=known)
