"""O²DBD: distil the teacher's 2-D in/out-of-distribution code over all pairs of the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap import losses
from d3wrap.batch import ClassifierStep, D3Batch
from d3wrap.hookspecs import hookimpl
from d3wrap.specs import ObjectiveContext, ObjectiveSpec

IN_DISTRIBUTION = 0.95
"""Share of training rows that the guarded code calls in-distribution (κ > ½)."""


class O2DBD(nn.Module):
    """Term ``relation`` (L_od), over real and generated features.

    κ = σ(w(s + b)) with s the teacher's score. Guarded, w = 1 and b is fixed so that κ = ½ at the 5 % quantile of
    s over the training rows; as released, w and b are learned with the student, starting from 1 and 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, context: ObjectiveContext) -> None:
        super().__init__()
        settings = context.settings
        self.relation = settings.relation
        self.double_softmax_code = not settings.single_softmax_code
        self.logit = (
            losses.similarity(settings.alpha, settings.beta)
            if settings.scaled_similarity
            else losses.RELEASED_SIMILARITY
        )
        self.balanced = bool(settings.class_balanced)
        scores = losses.ood_score(context.train_teacher_logits)
        one = scores.new_ones(())
        standardised = bool(settings.standardised_score)
        self.register_buffer("mean", scores.mean() if standardised else one * 0)
        self.register_buffer("std", scores.std().clamp(min=1e-6) if standardised else one)
        self.weight = nn.Parameter(one.clone().reshape(1))
        self.offset = nn.Parameter(torch.zeros_like(self.weight))
        if settings.guarded_code:
            with torch.no_grad():
                self.offset.copy_(-((scores - self.mean) / self.std).quantile(1 - IN_DISTRIBUTION))
            self.weight.requires_grad_(False)
            self.offset.requires_grad_(False)
        self.head = nn.Linear(context.dataset.num_classes, 2).to(scores) if settings.student_code == "head" else None

    def teacher_code(self, teacher_logits: Tensor) -> Tensor:
        """h̃ of each row, ``[N, |Y_s|]`` → ``[N, 2]``."""
        score = (losses.ood_score(teacher_logits) - self.mean) / self.std
        kappa = torch.sigmoid(self.weight * (score + self.offset))
        return losses.teacher_code(kappa, double_softmax=self.double_softmax_code)

    def student_code(self, student_logits: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
        """ĥ of each row, ``[N, C]`` → ``[N, 2]``."""
        if self.head is not None:
            return F.softmax(self.head(F.log_softmax(student_logits, 1)), 1)
        return losses.student_code(student_logits, seen, unseen)

    @hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return ``relation``."""
        teacher = self.teacher_code(batch.teacher.logits)
        student = self.student_code(batch.student.logits, batch.seen, batch.unseen)
        if self.relation == "gram":
            return {"relation": losses.o2dbd_gram(student, teacher)}
        groups = batch.labels if self.relation == "classes" else batch.is_unseen
        return {"relation": losses.o2dbd(student, teacher, groups, logit=self.logit, balanced=self.balanced)}

    @hookimpl
    def on_classifier_step(self, step: ClassifierStep) -> Mapping[str, Tensor] | None:
        """Return the same term where the student itself is the classifier."""
        return self.on_batch(step.batch) if step.batch is not None else None


@hookimpl
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register the objective ``o2dbd``."""
    register(
        ObjectiveSpec("o2dbd", "out-of-distribution batch distillation of a 2-D code (L_od)", O2DBD, ("relation",))
    )
