"""L_cls: the student classifies real and generated features."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from d3wrap.batch import D3Batch
from d3wrap.hookspecs import hookimpl
from d3wrap.losses import classification
from d3wrap.specs import ObjectiveContext, ObjectiveSpec


class Classify:
    """Term ``nll``: cross-entropy of the student over all classes."""

    @hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return ``nll``."""
        return {"nll": classification(batch.student.logits, batch.labels)}


def build(context: ObjectiveContext) -> Classify:
    """Build the objective; it has nothing to look up."""
    return Classify()


@hookimpl
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register the objective ``classify``."""
    register(ObjectiveSpec("classify", "the student classifies real and generated features (L_cls)", build, ("nll",)))
