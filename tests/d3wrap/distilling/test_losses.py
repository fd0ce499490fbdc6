"""The distillation losses against loops over single numbers, their gradients, and batches that have nothing to give."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from d3wrap.distilling import losses
from d3wrap.seeds import stream

LABELS = torch.tensor([0, 2, 2, 4, 1])
TAU = 0.3


def rows(n, width=6, name="rows"):
    return torch.randn(n, width, dtype=torch.float64, generator=stream(0, name))


def cosine(a, b):
    a, b = a.tolist(), b.tolist()
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def chosen(logits, own):
    """−log softmax(logits)[own]."""
    return math.log(sum(math.exp(value) for value in logits)) - logits[own]


@pytest.fixture
def batch():
    return rows(5, name="s"), rows(5, name="t"), rows(7, name="text")


def test_classification_is_the_formula(batch):
    student, _, text = batch
    expected = sum(chosen([cosine(s, t) / TAU for t in text], y) for s, y in zip(student, LABELS.tolist(), strict=True))
    assert losses.classification(student, text, LABELS, temperature=TAU).item() == pytest.approx(expected / 5)


def test_feature_match_is_the_formula(batch):
    student, teacher, _ = batch
    expected = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        length_s, length_t = (math.sqrt(sum(x * x for x in v)) for v in (s, t))
        expected += sum((a / length_s - b / length_t) ** 2 for a, b in zip(s, t, strict=True)) / 5
    assert losses.feature_match(student, teacher).item() == pytest.approx(expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_image_contrastive_is_the_formula(batch, symmetric):
    student, teacher, _ = batch
    table = [[cosine(s, t) / TAU for t in teacher] for s in student]
    over_teachers = sum(chosen(table[i], i) for i in range(5)) / 5
    over_students = sum(chosen([table[j][i] for j in range(5)], i) for i in range(5)) / 5
    expected = (over_teachers + over_students) / 2 if symmetric else over_teachers
    found = losses.image_contrastive(student, teacher, temperature=TAU, symmetric=symmetric)
    assert found.item() == pytest.approx(expected)


def proximity_of_one(s, t, text, k):
    theirs = [cosine(t, one) / TAU for one in text]
    ours = [cosine(s, one) / TAU for one in text]
    near = sorted(range(len(text)), key=lambda c: -theirs[c])[:k]
    return sum(
        math.exp(-chosen([theirs[c] for c in near], i))
        * (chosen([ours[c] for c in near], i) - chosen([theirs[c] for c in near], i))
        for i in range(len(near))
    )


@pytest.mark.parametrize("k", [1, 2, 3, 7, 256])
@pytest.mark.parametrize("only_right", [False, True])
def test_text_proximity_is_the_formula(batch, k, only_right):
    student, teacher, text = batch
    best = [max(range(7), key=lambda c: cosine(t, text[c])) for t in teacher]
    labels = torch.tensor([best[0], best[1], best[2], (best[3] + 1) % 7, (best[4] + 3) % 7])
    counted = range(3) if only_right else range(5)
    expected = sum(proximity_of_one(student[i], teacher[i], text, k) for i in counted) / len(counted)
    found = losses.text_proximity(student, teacher, text, labels, k=k, temperature=TAU, only_right=only_right)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_text_proximity_over_all_classes_is_the_plain_divergence(batch):
    student, teacher, text = batch
    theirs, ours = (losses.cosines(one, text) / TAU for one in (teacher, student))
    plain = torch.nn.functional.kl_div(
        ours.log_softmax(1), theirs.log_softmax(1), log_target=True, reduction="batchmean"
    )
    for k in (7, 8, 256):
        found = losses.text_proximity(student, teacher, text, LABELS, k=k, temperature=TAU, only_right=False)
        torch.testing.assert_close(found, plain)


def test_caption_contrastive_is_the_formula(batch):
    student, captions, _ = batch
    expected = 0.0
    for i, s in enumerate(student):
        others = [j for j in range(5) if j == i or LABELS[j] != LABELS[i]]
        expected += chosen([cosine(s, captions[j]) / TAU for j in others], others.index(i)) / 5
    assert losses.caption_contrastive(student, captions, LABELS, temperature=TAU).item() == pytest.approx(expected)


ALL = {
    "classification": lambda s, t, text, y: losses.classification(s, text, y, temperature=TAU),
    "feature_match": lambda s, t, text, y: losses.feature_match(s, t),
    "single": lambda s, t, text, y: losses.image_contrastive(s, t, temperature=TAU, symmetric=False),
    "symmetric": lambda s, t, text, y: losses.image_contrastive(s, t, temperature=TAU),
    "proximity": lambda s, t, text, y: losses.text_proximity(s, t, text, y, k=3, temperature=TAU, only_right=False),
    "caption": lambda s, t, text, y: losses.caption_contrastive(s, t, y, temperature=TAU),
}


@pytest.mark.parametrize("loss", ALL)
def test_gradients_are_right(batch, loss):
    student, teacher, text = batch
    assert gradcheck(lambda s: ALL[loss](s, teacher, text, LABELS), student.requires_grad_())


def test_the_gradient_of_the_filtered_proximity_is_right_and_reaches_right_images_alone(batch):
    student, teacher, text = batch
    labels = losses.cosines(teacher, text).argmax(1)
    labels[3] = (labels[3] + 1) % 7
    student.requires_grad_()
    assert gradcheck(lambda s: losses.text_proximity(s, teacher, text, labels, k=3, temperature=TAU), student)
    losses.text_proximity(student, teacher, text, labels, k=3, temperature=TAU).backward()
    assert student.grad.abs().sum(1).gt(0).tolist() == [True, True, True, False, True]


def test_no_right_prediction_of_the_teacher_gives_zero_and_no_gradient(batch):
    student, teacher, text = batch
    wrong = (losses.cosines(teacher, text).argmax(1) + 1) % 7
    student.requires_grad_()
    loss = losses.text_proximity(student, teacher, text, wrong, k=3)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


def test_one_class_and_one_image_lose_nothing(batch):
    student, teacher, text = batch
    same = torch.zeros(5, dtype=torch.long)
    student.requires_grad_()
    for loss in (
        losses.classification(student, text[:1], same),
        losses.text_proximity(student, teacher, text[:1], same, k=5),
        losses.caption_contrastive(student, teacher, same),
        losses.image_contrastive(student[:1], teacher[:1]),
    ):
        assert loss.item() == pytest.approx(0, abs=1e-12)
        (gradient,) = torch.autograd.grad(loss, student, allow_unused=True)
        assert gradient.abs().max() < 1e-9


def test_a_row_of_zeros_is_no_trouble():
    zero, other = torch.zeros(2, 3), torch.ones(2, 3)
    assert losses.image_contrastive(zero, other).isfinite()
    assert losses.classification(zero, torch.eye(3), torch.tensor([0, 1])).item() == pytest.approx(math.log(3))


shape = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))


@settings(max_examples=40, deadline=None)
@given(shape, st.floats(0.1, 50.0))
def test_lengths_do_not_matter_and_nothing_is_negative(drawn, scale):
    n, classes, width, seed = drawn
    rng = torch.Generator().manual_seed(seed)
    student, teacher, text = (torch.randn(m, width, dtype=torch.float64, generator=rng) for m in (n, n, classes))
    labels = torch.randint(classes, (n,), generator=rng)
    for loss in ALL.values():
        value = loss(student, teacher, text, labels)
        assert value >= -1e-12
        torch.testing.assert_close(loss(student * scale, teacher / scale, text * scale, labels), value)


@settings(max_examples=40, deadline=None)
@given(shape)
def test_the_order_of_images_does_not_matter(drawn):
    n, classes, width, seed = drawn
    rng = torch.Generator().manual_seed(seed)
    student, teacher, text = (torch.randn(m, width, dtype=torch.float64, generator=rng) for m in (n, n, classes))
    labels, order = torch.randint(classes, (n,), generator=rng), torch.randperm(n, generator=rng)
    for loss in ALL.values():
        torch.testing.assert_close(
            loss(student[order], teacher[order], text, labels[order]), loss(student, teacher, text, labels)
        )


@settings(max_examples=30, deadline=None)
@given(shape)
def test_a_student_that_equals_its_teacher_matches_and_agrees(drawn):
    n, classes, width, seed = drawn
    rng = torch.Generator().manual_seed(seed)
    teacher, text = (torch.randn(m, width, dtype=torch.float64, generator=rng) for m in (n, classes))
    labels = torch.zeros(n, dtype=torch.long)
    assert losses.feature_match(teacher * 2, teacher).item() == pytest.approx(0, abs=1e-12)
    assert losses.text_proximity(teacher * 2, teacher, text, labels, only_right=False).item() == pytest.approx(
        0, abs=1e-9
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_dtype_of_the_inputs_is_kept(batch, dtype):
    student, teacher, text = (one.to(dtype) for one in batch)
    for loss in ALL.values():
        value = loss(student, teacher, text, LABELS)
        assert value.dtype == dtype
        assert value.isfinite()
