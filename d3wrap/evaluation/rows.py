"""Reduce the scores of test rows to what every measure needs: one margin and one hit per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.errors import DataError, ShapeError


@dataclass(frozen=True)
class ScoredRows:
    """Test rows of one group, seen or unseen: labels ``[n]``, hits ``[n]`` bool, margins, confidences ``[n]`` float64.

    A hit is a row whose own class alone scores highest within its group; its margin is the best seen score
    less the best unseen one, its confidence the softmax probability of its highest score.
    """

    labels: NDArray[np.int64]
    hits: NDArray[np.bool_]
    margins: NDArray[np.float64]
    confidences: NDArray[np.float64]

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class ids that have rows, sorted."""
        return np.unique(self.labels)

    def per_class(self, right: NDArray[np.bool_]) -> dict[int, float]:
        """Return for each class that has rows the share of them that is ``right``."""
        return {int(c): float(right[self.labels == c].mean()) for c in self.classes}

    def weights(self) -> NDArray[np.float64]:
        """Return what each row adds to the mean per-class accuracy when it is right, ``[n]``."""
        _, inverse, counts = np.unique(self.labels, return_inverse=True, return_counts=True)
        return 1.0 / (counts[inverse] * len(counts))


@dataclass(frozen=True)
class Outcomes:
    """Test rows one by one: labels ``[n]``, and whether each was right with all classes competing ``[n]`` bool."""

    seen_labels: NDArray[np.int64]
    seen_right: NDArray[np.bool_]
    unseen_labels: NDArray[np.int64]
    unseen_right: NDArray[np.bool_]


def check_classes(seen: Tensor, unseen: Tensor, num_classes: int) -> None:
    """Raise ``DataError`` unless seen and unseen are class ids below ``num_classes`` that share none."""
    ids: dict[str, set[int]] = {}
    for name, classes in (("seen", seen), ("unseen", unseen)):
        ids[name] = set(classes.tolist())
        if not ids[name]:
            raise DataError(f"there are no {name} classes; the measures need at least one of each")
        outside = sorted(c for c in ids[name] if not 0 <= c < num_classes)
        if outside:
            raise DataError(
                f"{name} classes {outside[:5]} have no column in scores, which have {num_classes}; "
                "give scores over all classes of the dataset, column = class id"
            )
    if both := sorted(ids["seen"] & ids["unseen"]):
        raise DataError(f"classes {both[:5]} are both seen and unseen; a class must be one of them")


def check_shapes(scores: Tensor, labels: Tensor, name: str) -> None:
    """Raise ``ShapeError`` unless scores are ``[n, C]`` and labels ``[n]``, ``DataError`` where n is 0."""
    if scores.ndim != 2 or not scores.is_floating_point():
        raise ShapeError(
            f"scores of the {name} rows must be floating point of shape [rows, classes], "
            f"found {scores.dtype} of shape {list(scores.shape)}"
        )
    if labels.shape != scores.shape[:1] or labels.is_floating_point():
        raise ShapeError(
            f"labels of the {name} rows must be integers of shape [{scores.shape[0]}], one for each row of scores, "
            f"found {labels.dtype} of shape {list(labels.shape)}"
        )
    if not len(labels):
        raise DataError(f"there are no {name} test rows; the measures need at least one")


def score_rows(scores: Tensor, labels: Tensor, own: Tensor, seen: Tensor, unseen: Tensor, name: str) -> ScoredRows:
    """Reduce ``scores [n, C]`` of rows labelled with ``own`` classes; ``name`` is the group's, for messages.

    The n×C work stays on the scores' device; n numbers a column go to the host, at once. Raises ``DataError``
    for scores that are not finite or labels outside ``own``.
    """
    device = scores.device
    seen, unseen, own = seen.to(device), unseen.to(device), own.to(device)
    group = scores[:, own]
    is_best = group == group.amax(1, keepdim=True)
    is_own = labels.to(device)[:, None] == own
    hits = (is_best == is_own).all(1)
    finite = scores.isfinite().all(1)
    confidence = scores[:, torch.cat([seen, unseen])].double().softmax(1).amax(1)
    columns = [scores[:, seen].amax(1), scores[:, unseen].amax(1), hits, finite, confidence]
    table = torch.stack([column.double() for column in columns]).cpu().numpy()
    _check_finite(table[3] == 1, name)
    classes = labels.cpu().long().numpy()
    strange = np.setdiff1d(classes, own.cpu().numpy())
    if len(strange):
        raise DataError(f"labels of the {name} rows hold {strange[:5].tolist()}, which are not {name} classes")
    return ScoredRows(classes, table[2] == 1, table[0] - table[1], table[4])


def _check_finite(finite: NDArray[np.bool_], name: str) -> None:
    if not finite.all():
        raise DataError(
            f"scores of {int((~finite).sum())} of {len(finite)} {name} rows are NaN or infinite, the first in row "
            f"{int(np.argmin(finite))}; give logits or log_softmax, not log(softmax)"
        )
