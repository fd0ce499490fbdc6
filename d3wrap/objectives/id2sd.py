"""ID²SD: distil in-distribution knowledge from teacher to student, in embedding space and in label space."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from d3wrap.batch import ClassifierStep, D3Batch
from d3wrap.hookspecs import hookimpl
from d3wrap.losses import RELEASED_SIMILARITY, id2sd_embedding, id2sd_labels, similarity
from d3wrap.settings import D3Settings
from d3wrap.specs import ObjectiveContext, ObjectiveSpec


class ID2SD:
    """Terms ``embedding`` (L_be) and ``labels`` (L_kl), both over the real features alone."""

    def __init__(self, settings: D3Settings) -> None:
        self.logit = similarity(settings.alpha, settings.beta) if settings.scaled_similarity else RELEASED_SIMILARITY
        self.balanced = bool(settings.class_balanced)
        self.temperature = settings.temperature
        self.double_softmax = not settings.single_softmax

    @hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return ``embedding`` and ``labels``."""
        teacher, student = batch.teacher[batch.real], batch.student[batch.real]
        labels = batch.labels[batch.real]
        return {
            "embedding": id2sd_embedding(
                teacher.embedding, student.embedding, labels, logit=self.logit, balanced=self.balanced
            ),
            "labels": id2sd_labels(
                teacher.logits,
                student.logits[:, batch.seen],
                temperature=self.temperature,
                double_softmax=self.double_softmax,
            ),
        }

    @hookimpl
    def on_classifier_step(self, step: ClassifierStep) -> Mapping[str, Tensor] | None:
        """Return the same terms where the student itself is the classifier and the batch has real features."""
        return self.on_batch(step.batch) if step.batch is not None and step.batch.num_real else None


def build(context: ObjectiveContext) -> ID2SD:
    """Build the objective from the settings."""
    return ID2SD(context.settings)


@hookimpl
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register the objective ``id2sd``."""
    register(
        ObjectiveSpec(
            "id2sd",
            "in-distribution dual-space distillation from teacher to student (L_be + L_kl)",
            build,
            ("embedding", "labels"),
        )
    )
