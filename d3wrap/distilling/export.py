"""A distilled student's features of every row as a dataset, for any other command."""

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
from d3wrap.distilling.run import WEIGHTS
from d3wrap.distilling.training import make_student
from d3wrap.files import sha256_of


def export_features(job: DistillJob, data: DistillData, path: str | os.PathLike[str]) -> None:
    """Write the student of a finished job as a dataset: its features of all rows, with the data's classes and split.

    Semantics are the dataset's own. The provenance names recipe, seed and the hash of the weights. The student saw
    training images of seen classes alone. Raises :class:`~d3wrap.errors.DataError` where there are no weights.
    """
    weights = job.folder / f"{WEIGHTS}.safetensors"
    student = make_student(data, job.settings, job.seed)
    load_weights(weights, student)
    rows = torch.arange(len(data.dataset.labels), device=data.device)
    features = student_features(student, data, rows, job.settings, job.precision)
    write_converted(_as_dataset(data.dataset, features, job, weights), Path(path))


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
