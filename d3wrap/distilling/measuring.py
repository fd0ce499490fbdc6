"""What a student reaches on test rows, and how much of its teacher's space it keeps there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.distilling.data import DistillData
from d3wrap.distilling.metrics import neighbourhood, relation, text_alignment
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.student import Student
from d3wrap.training.precision import Precision, computing

CHUNK = 256
"""Rows the student sees at once."""
MEASURES = (
    "in_distribution",
    "zero_shot",
    "M_rel_seen",
    "M_rel_unseen",
    "M_neigh_seen",
    "M_neigh_unseen",
    "M_vlalign_seen",
    "M_vlalign_unseen",
)
"""Names of what :func:`measure` gives: accuracies, and each metric on test images of seen and of unseen classes."""


@torch.no_grad()
def student_features(
    student: Student, data: DistillData, rows: Tensor, settings: DistillSettings, precision: Precision = "exact"
) -> Tensor:
    """Return the student's features ``[m, e]`` of rows ``[m]``, of unit length, in float32; whole images are shown."""
    training = student.training
    student.eval()
    with computing(precision, data.device):
        parts = [student(data.whole(part, settings.size)).float() for part in rows.split(CHUNK)]
    student.train(training)
    return F.normalize(torch.cat(parts), dim=1)


def accuracy(features: Tensor, text: Tensor, labels: Tensor, classes: Tensor) -> float:
    """Return the mean per-class accuracy, in [0, 1], of naming the class whose text feature is nearest.

    Shapes: features ``[n, e]``, text ``[C, e]``, labels ``[n]``, and class ids to choose from ``[m]``. Classes without
    rows do not count.
    """
    found = classes[(features @ text[classes].T).argmax(1)]
    counts = torch.bincount(labels, minlength=len(text))
    right = torch.bincount(labels[found == labels], minlength=len(text))
    there = counts > 0
    return float((right[there].double() / counts[there]).mean())


def measure(
    student: Student, data: DistillData, text: Tensor, settings: DistillSettings, precision: Precision = "exact"
) -> dict[str, float]:
    """Measure a student on the test rows; see :data:`MEASURES`. Every number is in [0, 1].

    ``in_distribution``: mean per-class accuracy on held-out images of seen classes, among these; ``zero_shot``: on
    images of unseen classes, among these. M_rel, M_neigh and M_vlalign compare with the teacher on the same images,
    M_vlalign by the texts of the classes chosen from.
    """
    dataset = data.dataset
    found: dict[str, float] = {}
    for group, rows, classes, name in (
        ("seen", dataset.test_seen, dataset.seen, "in_distribution"),
        ("unseen", dataset.test_unseen, dataset.unseen, "zero_shot"),
    ):
        ours = student_features(student, data, rows, settings, precision)
        theirs = data.teacher_features(rows, settings.size)
        found[name] = accuracy(ours, text, dataset.labels[rows], classes)
        found[f"M_rel_{group}"] = relation(ours, theirs)
        found[f"M_neigh_{group}"] = neighbourhood(ours, theirs, min(settings.neighbours, len(rows) - 1))
        found[f"M_vlalign_{group}"] = text_alignment(ours, theirs, text[classes])
    return {name: found[name] for name in MEASURES}


def measure_teacher(data: DistillData, text: Tensor, settings: DistillSettings) -> dict[str, float]:
    """Return what the teacher itself reaches with these texts: ``in_distribution`` and ``zero_shot``."""
    dataset = data.dataset
    return {
        name: accuracy(data.teacher_features(rows, settings.size), text, dataset.labels[rows], classes)
        for name, rows, classes in (
            ("in_distribution", dataset.test_seen, dataset.seen),
            ("zero_shot", dataset.test_unseen, dataset.unseen),
        )
    }
