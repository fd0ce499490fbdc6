"""What is measured is of the rows and classes it is said to be of, and of the student at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from d3wrap.distilling.measuring import accuracy, measure, measure_teacher, student_features
from d3wrap.distilling.metrics import neighbourhood, relation, text_alignment
from d3wrap.distilling.teacher import StoredTeacher
from d3wrap.distilling.tuning import draw_shots, few_shot_accuracy
from d3wrap.seeds import stream


@pytest.fixture
def noisy(data):
    """The data with a teacher and texts of noise, so that each row and class counts differently."""
    rng = stream(0, "tests/measuring")
    teacher = StoredTeacher(torch.randn(84, 5, generator=rng))
    return replace(data, teacher=teacher, texts={"own": F.normalize(torch.randn(6, 5, generator=rng), dim=1)})


def naive_accuracy(features, text, labels, classes):
    """Return the mean over classes of the share of their rows that are named rightly, with loops."""
    shares = []
    for own in sorted(set(labels.tolist())):
        rows = [i for i, label in enumerate(labels.tolist()) if label == own]
        named = [max(classes, key=lambda c: float(features[i] @ text[c])) for i in rows]
        shares.append(sum(one == own for one in named) / len(rows))
    return sum(shares) / len(shares)


@pytest.mark.parametrize(
    ("group", "rows", "classes", "name"),
    [
        ("seen", "test_seen", [0, 1, 3, 4], "in_distribution"),
        ("unseen", "test_unseen", [2, 5], "zero_shot"),
    ],
)
def test_each_group_is_measured_on_its_test_rows_among_its_classes(distil, noisy, settings, group, rows, classes, name):
    student, text, data = distil(data=noisy).student, noisy.texts["own"], noisy.dataset
    taken = getattr(data, rows)
    ours, theirs = student_features(student, noisy, taken, settings), noisy.teacher.features(taken)
    found = measure(student, noisy, text, settings)
    labels = data.labels[taken]
    assert found[name] == pytest.approx(naive_accuracy(ours, text, labels, classes))
    assert found[f"M_rel_{group}"] == relation(ours, theirs)
    assert found[f"M_neigh_{group}"] == neighbourhood(ours, theirs, 3)
    assert found[f"M_vlalign_{group}"] == text_alignment(ours, theirs, text[classes])
    teacher = measure_teacher(noisy, text, settings)
    assert teacher[name] == pytest.approx(naive_accuracy(theirs, text, labels, classes))


def test_few_shots_are_measured_among_the_unseen_classes_on_the_rows_left(distil, noisy, settings):
    distillation, shots = distil(data=noisy), draw_shots(noisy, 2, seed=0)
    features = student_features(distillation.student, noisy, shots.left, settings)
    labels = noisy.dataset.labels[shots.left]
    expected = naive_accuracy(features, noisy.texts["own"], labels, [2, 5])
    assert few_shot_accuracy(distillation, shots) == pytest.approx(expected)


def test_classes_to_choose_from_may_be_in_any_order():
    features, text = torch.randn(9, 4, generator=stream(0, "f")), torch.randn(5, 4, generator=stream(0, "t"))
    labels = torch.tensor([4, 1, 1, 4, 3, 3, 1, 4, 4])
    one, other = (accuracy(features, text, labels, torch.tensor(classes)) for classes in ([1, 3, 4], [4, 1, 3]))
    assert one == other == pytest.approx(naive_accuracy(features, text, labels, [1, 3, 4]))


def test_a_student_is_measured_at_rest_and_left_as_it_was(distil, data, settings):
    student = distil().student.train()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    rows = torch.arange(20)
    found = student_features(student, data, rows, settings)
    assert student.training
    assert all(torch.equal(before[name], value) for name, value in student.state_dict().items())
    alone = torch.cat([student_features(student, data, row[None], settings) for row in rows])
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    assert not student_features(student.eval(), data, rows, settings).requires_grad
    assert not student.training


def test_a_student_is_measured_in_the_precision_asked_for(distil, data, settings):
    student, rows = distil().student, torch.arange(20)
    exact, mixed = (student_features(student, data, rows, settings, precision) for precision in ("exact", "bf16"))
    assert not torch.equal(exact, mixed)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(exact, mixed, rtol=0, atol=0.05)
