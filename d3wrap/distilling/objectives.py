"""The losses of vision-language distillation as objectives on the hook ``on_batch``, as ID²SD is one.

`d3wrap distill` builds those that its recipe names. An enhancer builds those that one of its weights names, and they
pull the GZSL student to its teacher, over the real features. Either way they see a teacher and a student with
embeddings in one space and logits over classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from d3wrap.batch import D3Batch, Embedded
from d3wrap.distilling import losses
from d3wrap.distilling.settings import DistillSettings
from d3wrap.errors import ConfigError
from d3wrap.hookspecs import hookimpl
from d3wrap.settings import D3Settings
from d3wrap.specs import ObjectiveContext, ObjectiveSpec

PREFIX = "vl-"
"""Begin of the names of these objectives; a recipe may leave it out."""


@dataclass(frozen=True)
class DistillContext:
    """What an objective may look at when `d3wrap distill` builds it, in place of an ``ObjectiveContext``."""

    settings: DistillSettings


@dataclass(frozen=True)
class RealRows:
    """The real rows of a batch: student and teacher over the seen classes, and the labels as their columns."""

    student: Embedded
    teacher: Embedded
    labels: Tensor
    captions: Tensor | None


def real_rows(batch: D3Batch) -> RealRows:
    """Return the real rows of a batch."""
    student = batch.student[batch.real]
    return RealRows(
        Embedded(student.embedding, student.logits[:, batch.seen]),
        batch.teacher[batch.real],
        torch.searchsorted(batch.seen, batch.labels[batch.real]),
        None if batch.captions is None else batch.captions[batch.real],
    )


class Imitation:
    """An objective with one term, a function of the real rows."""

    def __init__(self, term: str, loss: Callable[[RealRows], Tensor]) -> None:
        self.term, self.loss = term, loss

    @hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return the term."""
        return {self.term: self.loss(real_rows(batch))}


Settings = D3Settings | DistillSettings


def _temperature(settings: Settings) -> float:
    return settings.temperature if isinstance(settings, DistillSettings) else settings.teacher_temperature


def _classification(settings: Settings) -> Callable[[RealRows], Tensor]:
    return lambda rows: torch.nn.functional.cross_entropy(rows.student.logits, rows.labels)


def _matching(settings: Settings) -> Callable[[RealRows], Tensor]:
    return lambda rows: losses.feature_match(rows.student.embedding, rows.teacher.embedding)


def _contrastive(settings: Settings) -> Callable[[RealRows], Tensor]:
    temperature, symmetric = _temperature(settings), getattr(settings, "symmetric", True)
    return lambda rows: losses.image_contrastive(
        rows.student.embedding, rows.teacher.embedding, temperature=temperature, symmetric=symmetric
    )


def _proximity(settings: Settings) -> Callable[[RealRows], Tensor]:
    k, only_right = getattr(settings, "nearest_texts", losses.NEAREST), getattr(settings, "only_right", True)
    return lambda rows: losses.proximity(
        rows.student.logits, rows.teacher.logits, rows.labels, k=k, only_right=only_right
    )


def _caption(settings: Settings) -> Callable[[RealRows], Tensor]:
    if not isinstance(settings, DistillSettings):
        raise ConfigError("vl-caption needs captions of the images, which only d3wrap distill has: take its weight out")

    def loss(rows: RealRows) -> Tensor:
        if rows.captions is None:
            raise ConfigError("vl-caption needs captions of the images: give --captions, or leave it out of the recipe")
        return losses.caption_contrastive(
            rows.student.embedding, rows.captions, rows.labels, temperature=settings.temperature
        )

    return loss


TERMS: Mapping[str, tuple[str, str, Callable[[Settings], Callable[[RealRows], Tensor]]]] = {
    "cls": ("nll", "cross-entropy of the student against text features (L_cls)", _classification),
    "mse": ("distance", "squared distance to the teacher's features (L_mse)", _matching),
    "contrastive": ("nce", "tell an image's teacher feature from other images' (L_im-cst)", _contrastive),
    "proximity": ("kl", "the teacher's view of the texts nearest to an image (L_vl-prox)", _proximity),
    "caption": ("nce", "tell an image's caption from those of other classes (L_cap)", _caption),
}
"""Term, summary and loss of each objective, by name without :data:`PREFIX`."""


def _build(name: str, context: ObjectiveContext | DistillContext) -> Imitation:
    term, _, loss = TERMS[name]
    return Imitation(term, loss(context.settings))


@hookimpl
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register ``vl-cls``, ``vl-mse``, ``vl-contrastive``, ``vl-proximity`` and ``vl-caption``, all optional."""
    for name, (term, summary, _) in TERMS.items():
        register(ObjectiveSpec(PREFIX + name, summary, partial(_build, name), (term,), optional=True))
