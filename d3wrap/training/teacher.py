"""Train the teacher: a classifier of the seen classes, whose confidence later tells in- from out-of-distribution."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from d3wrap.data import GZSLDataset
from d3wrap.errors import TrainingError
from d3wrap.networks import Teacher
from d3wrap.seeds import initialising, stream
from d3wrap.settings import D3Settings
from d3wrap.training.optimizer import adam
from d3wrap.training.vlm_teacher import VLMTeacher, fit_vlm_teacher, new_vlm_teacher

AnyTeacher = Teacher | VLMTeacher


def new_teacher(
    dataset: GZSLDataset, settings: D3Settings, seed: int, *, source: GZSLDataset | None = None
) -> AnyTeacher:
    """Return an untrained teacher on the dataset's device; its initial weights depend on ``seed`` alone.

    ``source`` is the dataset as it was loaded, where ``dataset`` is in another space; a vision–language teacher looks
    there for its image and text features.
    """
    if settings.teacher == "vlm":
        return new_vlm_teacher(dataset, source or dataset, settings)
    return _new_detector(dataset, settings, seed)


def _new_detector(dataset: GZSLDataset, settings: D3Settings, seed: int) -> Teacher:
    with initialising(seed, "teacher"):
        teacher = Teacher(dataset.feature_dim, settings.embedding_dim, len(dataset.seen))
    return teacher.to(dataset.features)


def train_teacher(
    dataset: GZSLDataset, settings: D3Settings, seed: int, *, source: GZSLDataset | None = None
) -> AnyTeacher:
    """Train a teacher by cross-entropy on the real features of the seen classes, then freeze it.

    Its logits run over ``dataset.seen`` in that order. With ``settings.teacher`` ``"vlm"`` it is fitted to a
    vision–language model instead; see :func:`~d3wrap.training.vlm_teacher.fit_vlm_teacher`. Raises
    :class:`~d3wrap.errors.TrainingError` if the loss is not finite at the end.
    """
    if settings.teacher == "vlm":
        return fit_vlm_teacher(dataset, source or dataset, settings)
    features = dataset.train_features
    teacher = _new_detector(dataset, settings, seed)
    positions = torch.searchsorted(dataset.seen, dataset.train_labels)
    optimizer = adam(teacher.parameters(), lr=settings.teacher_lr)
    rng = stream(seed, "teacher/batches", features.device)
    loss = features.new_zeros(())
    for _ in range(settings.teacher_epochs):
        order = torch.randperm(features.shape[0], generator=rng, device=features.device)
        for rows in order.split(settings.teacher_batch_size):
            loss = F.cross_entropy(teacher(features[rows]).logits, positions[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    if not bool(torch.isfinite(loss)):
        raise TrainingError(
            f"the teacher's loss is {float(loss.detach())} after {settings.teacher_epochs} epochs: lower teacher_lr"
        )
    optimizer.zero_grad()
    return teacher.eval().requires_grad_(False)
