"""The teacher: learns the seen classes, in the order of dataset.seen, and is frozen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import d3wrap
from d3wrap.errors import TrainingError
from d3wrap.settings import D3Settings
from d3wrap.training.teacher import _new_detector, new_teacher, train_teacher

SETTINGS = D3Settings(teacher_epochs=20, embedding_dim=32, teacher_lr=1e-2, teacher_batch_size=32)


@pytest.fixture(scope="module")
def dataset():
    """Eight well separated classes of which the seen ones are not the first."""
    made = d3wrap.synthetic(8, 3, 48, 6, 30, seed=1)
    assert made.seen.tolist() != list(range(5))
    return made


def test_it_learns_the_seen_classes_in_the_order_of_seen(dataset):
    teacher = train_teacher(dataset, SETTINGS, seed=0)
    rows = dataset.test_seen
    logits = teacher(dataset.features[rows]).logits
    assert logits.shape == (len(rows), len(dataset.seen))
    assert float((dataset.seen[logits.argmax(1)] == dataset.labels[rows]).float().mean()) > 0.9


def test_it_is_frozen(dataset):
    teacher = train_teacher(dataset, replace(SETTINGS, teacher_epochs=1), seed=0)
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not teacher(dataset.features[:3]).logits.requires_grad


def test_it_depends_on_the_seed_alone(dataset):
    def weights(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        return train_teacher(dataset, replace(SETTINGS, teacher_epochs=2), seed).classify.weight

    before = torch.get_rng_state()
    first = weights(0)
    torch.set_rng_state(before)
    train_teacher(dataset, replace(SETTINGS, teacher_epochs=1), 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_the_order_of_the_rows_is_the_seeds(dataset, monkeypatch):
    settings = replace(SETTINGS, teacher_epochs=1)
    monkeypatch.setattr("d3wrap.training.teacher._new_detector", lambda d, s, seed: _new_detector(d, s, 0))
    one, other = (train_teacher(dataset, settings, seed).classify.weight for seed in (1, 2))
    assert not torch.equal(one, other)


def test_it_looks_at_training_rows_alone(dataset):
    features, labels = dataset.features.clone(), dataset.labels.clone()
    test = torch.cat([dataset.test_seen, dataset.test_unseen])
    features[test], labels[test] = float("nan"), -1
    blinded = replace(dataset, features=features, labels=labels)
    settings = replace(SETTINGS, teacher_epochs=2)
    one, other = (train_teacher(d, settings, 0).state_dict() for d in (dataset, blinded))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_zero_epochs_leave_it_as_it_starts(dataset):
    settings = replace(SETTINGS, teacher_epochs=0)
    expected = new_teacher(dataset, settings, 0).state_dict()
    for name, value in train_teacher(dataset, settings, 0).state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_it_has_the_dtype_of_the_dataset(dataset):
    teacher = train_teacher(dataset.to("cpu", torch.float64), replace(SETTINGS, teacher_epochs=1), 0)
    assert {parameter.dtype for parameter in teacher.parameters()} == {torch.float64}


def test_a_loss_that_is_not_finite_says_what_to_lower(dataset):
    features = dataset.features.clone()
    features[dataset.train[0]] = float("nan")
    with pytest.raises(TrainingError, match="teacher's loss is nan after 2 epochs: lower teacher_lr"):
        train_teacher(replace(dataset, features=features), replace(SETTINGS, teacher_epochs=2), 0)
