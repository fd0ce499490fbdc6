"""What the training hooks receive."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Embedded:
    """A network's view of a batch: embedding ``[n, e]`` and logits ``[n, classes]``."""

    embedding: Tensor
    logits: Tensor

    def __getitem__(self, rows: slice) -> Embedded:
        """Return the rows alone."""
        return Embedded(self.embedding[rows], self.logits[rows])


@dataclass(frozen=True)
class D3Batch:
    """Real features of seen classes followed by generated features of unseen ones, seen by teacher and student.

    Shapes: features ``[N, d]``, labels ``[N]`` class ids, of which the first ``num_real`` rows are real.
    Teacher logits run over ``seen`` (in that order), student logits over all C classes. In `d3wrap distill` all rows
    are real, features are what the student sees, images ``[N, c, h, w]`` too, and embeddings are features in the
    teacher's space; ``captions [N, e]`` are the text features of the rows' captions there, ``None`` without captions.
    """

    features: Tensor
    labels: Tensor
    num_real: int
    teacher: Embedded
    student: Embedded
    seen: Tensor
    unseen: Tensor
    captions: Tensor | None = None

    @property
    def real(self) -> slice:
        """Rows of the real features."""
        return slice(0, self.num_real)

    @property
    def is_unseen(self) -> Tensor:
        """For each row whether its class is unseen, ``[N]`` bool."""
        return (self.labels[:, None] == self.unseen).any(1)  # torch.isin would wait for the device


@dataclass(frozen=True)
class ClassifierStep:
    """One step of a classifier trained on real + generated features.

    ``classifier`` is its name (``softmax``, ``student`` or ``embedding``); ``features [b, d]``, ``labels [b]``,
    ``logits [b, C]``. ``batch`` holds teacher and student outputs where the student itself is the classifier.
    """

    classifier: str
    features: Tensor
    labels: Tensor
    logits: Tensor
    batch: D3Batch | None = None
