"""The measures of generalized zero-shot recognition: U, S, H, T1, AUSUC, AUROC, ECE and confusion of the groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.evaluation.curve import Curve, harmonic_mean, seen_unseen_curve
from d3wrap.evaluation.rows import Outcomes, ScoredRows, check_classes, check_shapes, score_rows

NUMBERS = ("U", "S", "H", "T1", "AUSUC", "AUROC", "ECE", "unseen_as_seen", "seen_as_unseen")
BINS = 15


@dataclass(frozen=True)
class Metrics:
    """What one classifier reaches on the test rows; every number is a fraction in 0..1.

    U, S: mean per-class accuracy of unseen, seen rows when all classes compete; H: their harmonic mean; T1: mean
    per-class accuracy of unseen rows among unseen classes; AUSUC: area under ``curve``; AUROC: probability that a
    seen row's margin exceeds an unseen row's, ties counted half; ECE: calibration error, |accuracy − confidence| over
    15 bins of equal width, weighed by their rows (Guo et al., ICML 2017); ``unseen_as_seen``, ``seen_as_unseen``: mean
    per-class share of rows whose highest score is of the other group. ``per_class``: the accuracies behind U and S.
    """

    U: float
    S: float
    H: float
    T1: float
    AUSUC: float
    AUROC: float
    ECE: float
    unseen_as_seen: float
    seen_as_unseen: float
    per_class: Mapping[int, float]
    untested: tuple[int, ...]
    """Classes without test rows, which no mean counts."""
    curve: Curve = field(compare=False)
    outcomes: Outcomes = field(compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON can hold them, without the curve; class ids become strings."""
        return {
            **{name: getattr(self, name) for name in NUMBERS},
            "per_class": {str(c): accuracy for c, accuracy in self.per_class.items()},
            "untested": list(self.untested),
        }


def evaluate_scores(
    seen_scores: Tensor,
    seen_labels: Tensor,
    unseen_scores: Tensor,
    unseen_labels: Tensor,
    *,
    seen: Tensor,
    unseen: Tensor,
) -> Metrics:
    """Measure the scores ``[n, C]`` of test-seen and test-unseen rows, column = class id, labels ``[n]``.

    Scores are logits or log-probabilities: the two give equal numbers, probabilities do not (AUSUC and AUROC compare
    differences across rows). A tie for the highest score counts as wrong, so no number depends on how classes
    are numbered. Columns of classes neither ``seen`` nor ``unseen`` are ignored. Raises ``ShapeError`` and
    ``DataError`` where scores, labels and classes do not fit together.
    """
    check_shapes(seen_scores, seen_labels, "seen")
    check_shapes(unseen_scores, unseen_labels, "unseen")
    check_classes(seen, unseen, min(seen_scores.shape[-1], unseen_scores.shape[-1]))
    rows_seen = score_rows(seen_scores, seen_labels, seen, seen, unseen, "seen")
    rows_unseen = score_rows(unseen_scores, unseen_labels, unseen, seen, unseen, "unseen")
    right_seen, right_unseen = rows_seen.hits & (rows_seen.margins > 0), rows_unseen.hits & (rows_unseen.margins < 0)
    accuracy_seen, accuracy_unseen = rows_seen.per_class(right_seen), rows_unseen.per_class(right_unseen)
    curve = seen_unseen_curve(rows_seen, rows_unseen)
    u, s = _mean(accuracy_unseen), _mean(accuracy_seen)
    per_class = dict(sorted((accuracy_seen | accuracy_unseen).items()))
    return Metrics(
        U=u,
        S=s,
        H=harmonic_mean(u, s),
        T1=_mean(rows_unseen.per_class(rows_unseen.hits)),
        AUSUC=curve.area,
        AUROC=_auroc(rows_seen, rows_unseen),
        ECE=_calibration_error(
            np.concatenate([rows_seen.confidences, rows_unseen.confidences]), np.concatenate([right_seen, right_unseen])
        ),
        unseen_as_seen=_mean(rows_unseen.per_class(rows_unseen.margins > 0)),
        seen_as_unseen=_mean(rows_seen.per_class(rows_seen.margins < 0)),
        per_class=per_class,
        untested=tuple(sorted({*seen.tolist(), *unseen.tolist()} - set(per_class))),
        curve=curve,
        outcomes=Outcomes(rows_seen.labels, right_seen, rows_unseen.labels, right_unseen),
    )


def _mean(per_class: Mapping[int, float]) -> float:
    return float(np.mean(list(per_class.values())))


def _auroc(seen: ScoredRows, unseen: ScoredRows) -> float:
    ordered = np.sort(unseen.margins)
    below = np.searchsorted(ordered, seen.margins, side="left")
    not_above = np.searchsorted(ordered, seen.margins, side="right")
    return float((below + not_above).mean() / (2.0 * len(ordered)))


def _calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidences - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))
