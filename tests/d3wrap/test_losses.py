"""Every term against naive loops in float64, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap import losses
from d3wrap.pairs import pair_bce


def rows(n: int, e: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, e, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(a: list[float], b: list[float]) -> float:
    norm = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / max(norm, 1e-8)


def naive_pairs(left, right, groups, scale, shift, balanced):
    positive, negative = [], []
    for i, a in enumerate(left.tolist()):
        for j, b in enumerate(right.tolist()):
            probability = 1 / (1 + math.exp(-(scale * cosine(a, b) + shift)))
            if groups[i] == groups[j]:
                positive.append(-math.log(probability))
            else:
                negative.append(-math.log(1 - probability))
    if not balanced:
        return (sum(positive) + sum(negative)) / (len(positive) + len(negative))
    means = [sum(part) / len(part) for part in (positive, negative) if part]
    return sum(means) / len(means)


def softmax(values: list[float]) -> list[float]:
    top = max(values)
    exponents = [math.exp(v - top) for v in values]
    return [e / sum(exponents) for e in exponents]


@given(
    n=st.integers(1, 9),
    groups=st.integers(1, 4),
    block=st.integers(1, 10),
    balanced=st.booleans(),
    scale=st.floats(-5, 12),
    shift=st.floats(-6, 6),
)
def test_pair_bce_equals_the_loops(n, groups, block, balanced, scale, shift):
    left, right = rows(n, 5, 1), rows(n, 5, 2)
    labels = torch.randint(groups, (n,), generator=torch.Generator().manual_seed(n))
    found = pair_bce(left, right, labels, scale=scale, shift=shift, balanced=balanced, block=block)
    expected = naive_pairs(left, right, labels.tolist(), scale, shift, balanced)
    assert float(found) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("block", [3, 100])
def test_pair_bce_gradients(balanced, block):
    left, right = rows(7, 4, 1).requires_grad_(), rows(7, 4, 2).requires_grad_()
    labels = torch.tensor([0, 1, 1, 2, 0, 2, 2])

    def loss(a, b):
        return pair_bce(a, b, labels, scale=7.0, shift=-3.0, balanced=balanced, block=block)

    assert torch.autograd.gradcheck(loss, (left, right))


def test_blocks_change_neither_value_nor_gradient():
    left, right = rows(50, 6, 1).requires_grad_(), rows(50, 6, 2).requires_grad_()
    labels = torch.arange(50) % 7
    results = []
    for block in (8, 50):
        value = losses.id2sd_embedding(left, right, labels, block=block)
        results.append([value, *torch.autograd.grad(value, (left, right))])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_a_row_of_zeros_has_cosine_zero_and_finite_gradients():
    left = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    value = pair_bce(torch.relu(left), rows(3, 4), torch.tensor([0, 0, 1]), scale=1.0, shift=0.0, balanced=False)
    assert float(value.detach()) == pytest.approx(math.log(2))
    (gradient,) = torch.autograd.grad(value, left)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("double", [True, False])
def test_id2sd_labels_equals_the_loops(double):
    teacher, student, tau = rows(6, 4, 3) * 3, rows(6, 4, 4) * 3, 2.5
    total = 0.0
    for t, s in zip(teacher.tolist(), student.tolist(), strict=True):
        if double:
            p, q = softmax(softmax(t)), softmax(softmax(s))
        else:
            p, q = softmax([v / tau for v in t]), softmax([v / tau for v in s])
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    expected = total / 6 * (1 if double else tau**2)
    found = losses.id2sd_labels(teacher, student, temperature=tau, double_softmax=double)
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_id2sd_labels_gradients():
    student = rows(5, 4, 4).requires_grad_()
    for double in (True, False):
        assert torch.autograd.gradcheck(
            lambda s, d=double: losses.id2sd_labels(rows(5, 4, 3), s, temperature=2.0, double_softmax=d), (student,)
        )


def test_codes_equal_the_loops():
    teacher, student = rows(5, 3, 1), rows(5, 5, 2)
    seen, unseen = torch.tensor([0, 2, 3]), torch.tensor([1, 4])
    scores = losses.ood_score(teacher)
    mass = losses.student_code(student, seen, unseen)
    for i in range(5):
        assert float(scores[i]) == pytest.approx(math.log(max(softmax(teacher[i].tolist()))))
        p = softmax(student[i].tolist())
        assert mass[i].tolist() == pytest.approx([p[0] + p[2] + p[3], p[1] + p[4]])
    kappa = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    assert losses.teacher_code(kappa).tolist() == [[0, 1], [0.25, 0.75], [1, 0]]
    doubled = [softmax([k, 1 - k]) for k in kappa.tolist()]
    assert losses.teacher_code(kappa, double_softmax=True).tolist() == [pytest.approx(row) for row in doubled]


def test_gram_equals_the_loops_and_its_gradient_is_right():
    student, teacher = rows(6, 2, 1).requires_grad_(), rows(6, 2, 2).requires_grad_()
    a, b = student.tolist(), teacher.tolist()
    expected = sum((cosine(a[i], a[j]) - cosine(b[i], b[j])) ** 2 for i in range(6) for j in range(6)) / 36
    assert float(losses.o2dbd_gram(student, teacher).detach()) == pytest.approx(expected, rel=1e-10)
    assert torch.autograd.gradcheck(losses.o2dbd_gram, (student, teacher))


def test_the_released_similarity_cannot_say_different():
    """Why a corrected form exists: non-negative embeddings give a perfect negative pair a loss of softplus(½)."""
    left = torch.eye(2, dtype=torch.float64)
    labels = torch.arange(2)

    def negatives(logit):
        both = losses.id2sd_embedding(left, left, labels, logit=logit, balanced=True)
        positives = losses.id2sd_embedding(left, left, torch.zeros(2), logit=logit, balanced=True)
        # All pairs counted as positive: half of them are i = j with cosine 1, half have cosine 0.
        perfect = math.log1p(math.exp(-(logit[0] + logit[1])))
        assert float(positives) > 0
        return 2 * float(both) - perfect

    assert negatives(losses.RELEASED_SIMILARITY) == pytest.approx(math.log1p(math.exp(0.5)))  # 0.974
    assert negatives(losses.similarity(10.0, 0.5)) < 0.01
