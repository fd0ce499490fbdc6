"""The four terms of D³ as released, written the obvious way: every pair of rows is made a row of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.networks import Student, Teacher


def losses(
    features: Tensor,
    labels: Tensor,
    num_real: int,
    seen: Tensor,
    teacher: Teacher,
    student: Student,
    head: nn.Linear,
    weight: Tensor,
    offset: Tensor,
) -> dict[str, Tensor]:
    """Return the terms by the names d3wrap gives them.

    Shapes: features ``[N, d]``, of which the first ``num_real`` are real, labels ``[N]``; ``weight`` and ``offset``
    are w and b of κ = σ(w(s + b)), ``head`` gives the student's 2-D code. Source: arXiv 2402.11424.
    """
    taught, learned = teacher(features), student(features)
    real = slice(0, num_real)

    score = F.log_softmax(taught.logits, 1).max(1).values
    kappa = torch.sigmoid(weight * (score + offset))
    teacher_code = F.softmax(torch.stack([kappa, 1 - kappa], 1), 1)
    student_code = F.softmax(head(F.log_softmax(learned.logits, 1)), 1)

    teacher_classes = F.softmax(F.softmax(taught.logits[real], 1), 1)
    student_classes = F.log_softmax(F.softmax(learned.logits[real][:, seen], 1), 1)
    return {
        "classify/nll": F.nll_loss(F.log_softmax(learned.logits, 1), labels),
        "id2sd/embedding": relation(taught.embedding[real], learned.embedding[real], labels[real]),
        "id2sd/labels": F.kl_div(student_classes, teacher_classes, reduction="batchmean"),
        "o2dbd/relation": relation(teacher_code, student_code, labels),
    }


def relation(left: Tensor, right: Tensor, labels: Tensor) -> Tensor:
    """Mean BCE-with-logits of (cos(left_i, right_j) + 1) / 2 against 1[y_i = y_j]; ``[n, e]`` twice, ``[n]``."""
    n = len(labels)
    first, second = left.repeat_interleave(n, 0), right.repeat(n, 1)
    same = labels.repeat_interleave(n) == labels.repeat(n)
    relations = (F.cosine_similarity(first, second, dim=1) + 1) / 2
    return F.binary_cross_entropy_with_logits(relations, same.to(relations.dtype))
