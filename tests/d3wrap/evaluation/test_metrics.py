import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from d3wrap.errors import DataError, ShapeError
from d3wrap.evaluation.curve import harmonic_mean
from d3wrap.evaluation.metrics import Metrics, evaluate_scores

NUMBERS = ("U", "S", "H", "T1", "AUSUC", "AUROC", "ECE", "unseen_as_seen", "seen_as_unseen")


def accuracy(rows, labels, classes, allowed, shift):
    """Mean per-class accuracy by loops; a tie for the highest score is wrong; ``shift`` is added per class."""
    means = []
    for c in classes:
        right = total = 0
        for row, label in zip(rows, labels, strict=True):
            if label != c:
                continue
            total += 1
            own = row[c] + shift.get(c, 0.0)
            right += all(own > row[o] + shift.get(o, 0.0) for o in allowed if o != c)
        if total:
            means.append(right / total)
    return math.fsum(means) / len(means)


def margins(rows, seen, unseen):
    return [max(row[c] for c in seen) - max(row[c] for c in unseen) for row in rows]


def confusion(rows, labels, other, own):
    """Mean per-class share of rows whose best score is of the other group, by loops."""
    shares = {}
    for row, label in zip(rows, labels, strict=True):
        shares.setdefault(label, []).append(max(row[c] for c in other) > max(row[c] for c in own))
    return math.fsum(sum(found) / len(found) for found in shares.values()) / len(shares)


def calibration_error(rows, every):
    """|accuracy − confidence| in bins of 1/15, by loops; a tie for the highest score is wrong."""
    bins = {}
    for row, label in rows:
        top = max(row[c] for c in every)
        confidence = 1 / math.fsum(math.exp(row[c] - top) for c in every)
        right = all(row[label] > row[c] for c in every if c != label)
        bins.setdefault(min(int(confidence * 15), 14), []).append(right - confidence)
    return sum(abs(math.fsum(found)) for found in bins.values()) / len(rows)


def oracle(case):
    srows, slabels, urows, ulabels, seen, unseen = case
    every = [*seen, *unseen]
    u = accuracy(urows, ulabels, unseen, every, {})
    s = accuracy(srows, slabels, seen, every, {})
    at = sorted({*margins(srows, seen, unseen), *margins(urows, seen, unseen)})
    gammas = [at[0] - 1, *[(a + b) / 2 for a, b in itertools.pairwise(at)], at[-1] + 1]
    points = []
    for gamma in gammas:
        shift = dict.fromkeys(seen, -gamma)
        points.append((accuracy(urows, ulabels, unseen, every, shift), accuracy(srows, slabels, seen, every, shift)))
    area = sum((u1 - u0) * (s0 + s1) / 2 for (u0, s0), (u1, s1) in itertools.pairwise(points))
    wins = 0.0
    for a in margins(srows, seen, unseen):
        for b in margins(urows, seen, unseen):
            wins += 1.0 if a > b else 0.5 if a == b else 0.0
    return {
        "U": u,
        "S": s,
        "H": 2 * u * s / (u + s) if u + s else 0.0,
        "T1": accuracy(urows, ulabels, unseen, unseen, {}),
        "AUSUC": area,
        "AUROC": wins / (len(srows) * len(urows)),
        "ECE": calibration_error([*zip(srows, slabels, strict=True), *zip(urows, ulabels, strict=True)], every),
        "unseen_as_seen": confusion(urows, ulabels, seen, unseen),
        "seen_as_unseen": confusion(srows, slabels, unseen, seen),
        "points": list(zip(gammas, points, strict=True)),
    }


def measure(case, dtype=torch.float64) -> Metrics:
    srows, slabels, urows, ulabels, seen, unseen = case
    return evaluate_scores(
        torch.tensor(srows, dtype=dtype),
        torch.tensor(slabels),
        torch.tensor(urows, dtype=dtype),
        torch.tensor(ulabels),
        seen=torch.tensor(seen),
        unseen=torch.tensor(unseen),
    )


def numbers(metrics):
    return {name: getattr(metrics, name) for name in NUMBERS}


@st.composite
def cases(draw, few_values=False):
    """Scores of two groups of rows; ``few_values`` makes ties frequent, multiples of 1/8 keep sums exact."""
    ids = draw(st.permutations(range(draw(st.integers(2, 7)))))
    cut = draw(st.integers(1, len(ids) - 1))
    seen, unseen = sorted(ids[:cut]), sorted(ids[cut:])
    value = st.integers(-2, 2) if few_values else st.integers(-400, 400).map(lambda i: i / 8)

    def group(classes):
        n = draw(st.integers(1, 12))
        rows = draw(st.lists(st.lists(value, min_size=len(ids), max_size=len(ids)), min_size=n, max_size=n))
        return rows, draw(st.lists(st.sampled_from(classes), min_size=n, max_size=n))

    return (*group(seen), *group(unseen), seen, unseen)


@pytest.mark.parametrize("few_values", [False, True])
def test_every_number_equals_its_loop(few_values):
    @settings(max_examples=60, deadline=None)
    @given(cases(few_values))
    def check(case):
        expected = oracle(case)
        assert numbers(measure(case)) == pytest.approx({name: expected[name] for name in NUMBERS}, abs=1e-12)

    check()


@settings(max_examples=40, deadline=None)
@given(cases(few_values=True))
def test_the_curve_gives_the_accuracies_at_every_gamma(case):
    curve = measure(case).curve
    for gamma, (u, s) in oracle(case)["points"]:
        assert curve.at(gamma) == pytest.approx((u, s, harmonic_mean(u, s)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(cases(few_values=True))
def test_the_curve_is_monotone_between_its_ends(case):
    metrics = measure(case)
    curve = metrics.curve
    assert (np.diff(curve.unseen) >= 0).all()
    assert (np.diff(curve.seen) <= 0).all()
    assert (np.diff(curve.thresholds) > 0).all()
    assert curve.at(math.inf) == (pytest.approx(metrics.T1, abs=1e-12), 0.0, 0.0)
    assert curve.at(-math.inf)[0] == 0.0
    assert curve.at(0.0) == pytest.approx((metrics.U, metrics.S, metrics.H), abs=1e-12)
    assert all(0.0 <= value <= 1.0 for value in numbers(metrics).values())


@settings(max_examples=40, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case, random):
    srows, slabels, urows, ulabels, seen, unseen = case
    order = random.sample(range(len(srows)), len(srows))
    moved = ([srows[i] for i in order], [slabels[i] for i in order], urows, ulabels, seen, unseen)
    assert numbers(measure(moved)) == pytest.approx(numbers(measure(case)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(cases(few_values=True), st.randoms(use_true_random=False))
def test_the_numbering_of_classes_does_not_matter(case, random):
    srows, slabels, urows, ulabels, seen, unseen = case
    count = len(seen) + len(unseen)
    new = random.sample(range(count), count)
    old = [new.index(c) for c in range(count)]
    moved = (
        [[row[old[c]] for c in range(count)] for row in srows],
        [new[c] for c in slabels],
        [[row[old[c]] for c in range(count)] for row in urows],
        [new[c] for c in ulabels],
        [new[c] for c in seen],
        [new[c] for c in unseen],
    )
    assert numbers(measure(moved)) == pytest.approx(numbers(measure(case)), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(-64, 64))
def test_a_constant_added_to_a_row_changes_nothing(case, constant):
    srows, slabels, urows, ulabels, seen, unseen = case
    moved = ([[value + constant for value in srows[0]], *srows[1:]], slabels, urows, ulabels, seen, unseen)
    assert numbers(measure(moved)) == numbers(measure(case))


@settings(max_examples=40, deadline=None)
@given(cases(few_values=True))
def test_auroc_is_the_mann_whitney_statistic(case):
    srows, _, urows, _, seen, unseen = case
    a, b = margins(srows, seen, unseen), margins(urows, seen, unseen)
    expected = mannwhitneyu(a, b).statistic / (len(a) * len(b))
    assert pytest.approx(expected, abs=1e-12) == measure(case).AUROC


@settings(max_examples=40, deadline=None)
@given(cases())
def test_best_gamma_has_the_highest_harmonic_mean(case):
    curve = measure(case).curve
    best = max(harmonic_mean(u, s) for _, (u, s) in oracle(case)["points"])
    assert curve.at(curve.best_gamma())[2] == pytest.approx(best, abs=1e-12)


def test_a_hand_computed_case():
    # Classes 0, 1 seen, 2, 3 unseen. Margins: seen rows 3 (right) and −1 (right within seen); unseen rows −2 (right),
    # 1 (right within unseen) and −1 (wrong).
    case = (
        [[5, 0, 2, 0], [0, 1, 2, 0]],
        [0, 1],
        [[0, 0, 2, 0], [3, 0, 2, 0], [0, 0, 1, 0]],
        [2, 2, 3],
        [0, 1],
        [2, 3],
    )
    metrics = measure(case)
    assert numbers(metrics) == pytest.approx(
        {"U": 0.25, "S": 0.5, "H": 1 / 3, "T1": 0.5, "AUSUC": 0.25 * 1.0 + 0.25 * 0.5, "AUROC": 4.5 / 6,
         "ECE": oracle(case)["ECE"], "unseen_as_seen": 0.25, "seen_as_unseen": 0.5}
    )  # fmt: skip
    assert metrics.per_class == {0: 1.0, 1: 0.0, 2: 0.5, 3: 0.0}
    assert metrics.curve.thresholds.tolist() == [-2, -1, 1, 3]


def test_scores_that_never_decide_earn_nothing():
    case = ([[0, 0, 0, 0]] * 3, [0, 1, 0], [[0, 0, 0, 0]] * 2, [2, 3], [0, 1], [2, 3])
    metrics = measure(case)
    assert numbers(metrics) == {
        "U": 0, "S": 0, "H": 0, "T1": 0, "AUSUC": 0, "AUROC": 0.5, "ECE": 0.25, "unseen_as_seen": 0, "seen_as_unseen": 0
    }  # fmt: skip
    assert metrics.curve.best_gamma() == 0.0


def test_a_class_without_rows_is_left_out_and_named():
    case = ([[1, 0, 0, 0]], [0], [[0, 0, 1, 0]], [2], [0, 1], [2, 3])
    metrics = measure(case)
    assert (metrics.U, metrics.S, metrics.untested) == (1.0, 1.0, (1, 3))
    assert metrics.as_dict()["per_class"] == {"0": 1.0, "2": 1.0}


def test_columns_outside_both_groups_are_ignored():
    metrics = measure(([[1, 0, 9]], [0], [[0, 1, 9]], [1], [0], [1]))
    assert (metrics.U, metrics.S) == (1.0, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_small_types_give_the_same_numbers(dtype):
    case = ([[5, 0, 2, 0], [0, 1, 2, 0]], [0, 1], [[0, 0, 2, 0], [3, 0, 2, 0]], [2, 3], [0, 1], [2, 3])
    assert numbers(measure(case, dtype)) == numbers(measure(case))


def good():
    return {
        "seen_scores": torch.eye(3)[:2],
        "seen_labels": torch.tensor([0, 1]),
        "unseen_scores": torch.eye(3)[2:],
        "unseen_labels": torch.tensor([2]),
        "seen": torch.tensor([0, 1]),
        "unseen": torch.tensor([2]),
    }


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seen_scores": torch.zeros(2)}, ShapeError, r"scores of the seen rows .* shape \[2\]"),
        ({"unseen_scores": torch.zeros(1, 3, dtype=torch.int64)}, ShapeError, "floating point .* torch.int64"),
        ({"seen_labels": torch.tensor([0])}, ShapeError, r"integers of shape \[2\].* of shape \[1\]"),
        ({"seen_labels": torch.tensor([0.0, 1.0])}, ShapeError, "found torch.float32"),
        ({"seen_labels": torch.tensor([0, 2])}, DataError, r"hold \[2\], which are not seen classes"),
        ({"seen_scores": torch.tensor([[0, 0, 0], [0, 0, math.nan]])}, DataError, "1 of 2 seen rows .* row 1"),
        ({"unseen_scores": torch.tensor([[0, 0, -math.inf]])}, DataError, "NaN or infinite"),
        ({"unseen": torch.tensor([1, 2])}, DataError, r"\[1\] are both seen and unseen"),
        ({"unseen": torch.tensor([3])}, DataError, r"unseen classes \[3\] have no column"),
        ({"unseen": torch.tensor([-1])}, DataError, r"unseen classes \[-1\] have no column"),
        ({"unseen": torch.tensor([], dtype=torch.int64)}, DataError, "no unseen classes"),
        (
            {"unseen_scores": torch.zeros(0, 3), "unseen_labels": torch.zeros(0, dtype=torch.int64)},
            DataError,
            "no unseen test rows",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, error, message):
    evaluate_scores(**good())
    with pytest.raises(error, match=message):
        evaluate_scores(**(good() | change))


@pytest.mark.gpu
def test_the_numbers_do_not_depend_on_the_device():
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(20, (500,), generator=draw)
    scores = torch.randn(500, 30, generator=draw) + 2 * torch.nn.functional.one_hot(labels, 30)
    cases = [
        evaluate_scores(
            scores.to(device),
            labels.to(device),
            (scores + 1.5 * torch.nn.functional.one_hot(labels + 10, 30)).to(device),
            labels.clamp_max(9).to(device) + 20,
            seen=torch.arange(20).to(device),
            unseen=torch.arange(20, 30).to(device),
        )
        for device in ("cpu", "cuda")
    ]
    assert cases[0].as_dict() == cases[1].as_dict()


def test_equal_numbers_are_equal_metrics():
    scores, labels = torch.eye(4), torch.arange(4)
    once, again = (
        evaluate_scores(
            scores[:2], labels[:2], scores[2:], labels[2:], seen=torch.tensor([0, 1]), unseen=torch.tensor([2, 3])
        )
        for _ in range(2)
    )
    assert once == again
    assert once != dataclasses.replace(again, H=0.5)
