"""What a distilled student is good for afterwards: a dataset of its features, and a picture of its space."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from d3wrap.checkpoints.tensors import load_weights
from d3wrap.data.converted import write_converted
from d3wrap.data.dataset import GZSLDataset
from d3wrap.distilling.data import DistillData
from d3wrap.distilling.job import DistillJob
from d3wrap.distilling.measuring import student_features
from d3wrap.distilling.picture import find_neighbours, neighbours_picture
from d3wrap.distilling.run import WEIGHTS
from d3wrap.distilling.student import Student
from d3wrap.distilling.training import make_student
from d3wrap.files import sha256_of

IMAGES, NEIGHBOURS = 9, 6
"""Images in a picture of neighbours, and neighbours of each."""


def export_features(job: DistillJob, data: DistillData, path: str | os.PathLike[str]) -> None:
    """Write the student of a finished job as a dataset: its features of all rows, with the data's classes and split.

    Semantics are the dataset's own. The provenance names recipe, seed and the hash of the weights. The student saw
    training images of seen classes alone. Raises :class:`~d3wrap.errors.DataError` where there are no weights.
    """
    rows = torch.arange(len(data.dataset.labels), device=data.device)
    features = student_features(trained_student(job, data), data, rows, job.settings, job.precision)
    write_converted(_as_dataset(data.dataset, features, job, _weights(job)), Path(path))


def trained_student(job: DistillJob, data: DistillData) -> Student:
    """Return the student of a finished job; raises :class:`~d3wrap.errors.DataError` where there are no weights."""
    student = make_student(data, job.settings, job.seed)
    load_weights(_weights(job), student)
    return student.eval()


def draw_neighbours(job: DistillJob, data: DistillData, path: str | os.PathLike[str]) -> None:
    """Draw what is near test images of unseen classes, among these; see :mod:`d3wrap.distilling.picture`."""
    rows = data.dataset.test_unseen
    features = student_features(trained_student(job, data), data, rows, job.settings, job.precision)
    found = find_neighbours(data, features, rows, job.settings.size, images=IMAGES, k=min(NEIGHBOURS, len(rows) - 1))
    title = f"{data.dataset.name}: test images of unseen classes; student {job.label}; green: the same class"
    neighbours_picture(path, data, found, title)


def _weights(job: DistillJob) -> Path:
    return job.folder / f"{WEIGHTS}.safetensors"


def _as_dataset(dataset: GZSLDataset, features: Tensor, job: DistillJob, weights: Path) -> GZSLDataset:
    described = f"student {job.settings.student}, {job.label}, distilled from {dataset.provenance['features']}"
    # the files of the source are not beside this one, and a dataset's own features are not in it
    provenance = {k: v for k, v in dataset.provenance.items() if not k.startswith("sha256.")}
    digest = {"student.sha256": sha256_of(weights)}
    moved = replace(
        dataset,
        features=features,
        text_features=None,
        teacher_features=None,
        scaler=None,
        image_shape=None,
        provenance={**provenance, "features": described, **digest},
    )
    return moved.to("cpu", torch.float32)
