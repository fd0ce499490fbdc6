"""The validation world is cut out of training rows, shares no class between its parts, and scales by its own."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import d3wrap
from d3wrap.data.checks import check_dataset
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.errors import DataError
from d3wrap.protocol import num_folds, validation_world


def scaled(dataset):
    scaler = MinMaxScaler.fit(dataset.train_features)
    return dataclasses.replace(dataset, features=scaler.transform(dataset.features), scaler=scaler)


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(7, 20), unseen=st.integers(1, 3), seed=st.integers(0, 100), rescale=st.booleans())
def test_it_is_a_dataset_of_training_rows_alone(classes, unseen, seed, rescale):
    raw = d3wrap.synthetic(classes, unseen, 5, 4, 8)
    dataset = scaled(raw) if rescale else raw
    used = torch.zeros(len(dataset.seen), dtype=torch.int64)
    for fold in range(num_folds(dataset)):
        world = validation_world(dataset, seed=seed, fold=fold)
        check_dataset(world)
        used[world.unseen] += 1
        assert len(world.train) + len(world.test_seen) + len(world.test_unseen) == len(dataset.train)
        assert torch.equal(world.semantics, dataset.semantics[dataset.seen])
        assert torch.equal(dataset.seen[world.labels], dataset.train_labels)
        assert world.name == dataset.name
        for rows in (world.test_seen, world.train):
            assert torch.equal(world.labels[rows].unique(), world.seen)
        back = world.features if world.scaler is None else world.scaler.inverse(world.features)
        torch.testing.assert_close(back, raw.features[raw.train], rtol=1e-4, atol=1e-5)
        if rescale:
            # by the rows left to train on, not by those held out or of pseudo-unseen classes
            low, high = world.train_features.amin(0), world.train_features.amax(0)
            constant = low == high
            assert (low == 0).all()
            assert ((high == 1) | constant).all()
        for index in world.seen.tolist():
            held, left = ((world.labels[rows] == index).sum() for rows in (world.test_seen, world.train))
            assert held == round(0.2 * int(held + left))
    assert used.max() == 1, "two folds share a pseudo-unseen class"


def test_a_seed_gives_its_world_and_another_another():
    dataset = d3wrap.synthetic(12, 4, 5, 4, 8)
    one, same, other = (validation_world(dataset, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.unseen, same.unseen)
    assert torch.equal(one.train, same.train)
    assert not (torch.equal(one.unseen, other.unseen) and torch.equal(one.train, other.train))


def test_official_validation_classes_are_taken_where_they_are():
    dataset = d3wrap.synthetic(12, 4, 5, 4, 8)
    val = dataset.seen[[1, 3, 6]]
    rows = dataset.train[torch.isin(dataset.train_labels, val)]
    others = dataset.train[~torch.isin(dataset.train_labels, val)]
    official = dataclasses.replace(dataset, official_val=rows, official_train=others)
    world = validation_world(official, seed=0)
    assert world.unseen.tolist() == [1, 3, 6]
    assert "the benchmark's validation classes" in world.provenance["split"]
    assert "fold 0 of" in validation_world(official, seed=0, fold=0).provenance["split"]
    mixed = dataclasses.replace(dataset, official_val=rows, official_train=dataset.train)
    assert "fold 0 of" in validation_world(mixed, seed=0).provenance["split"]


@pytest.mark.parametrize("position", ["test_seen", "test_unseen"])
def test_test_rows_change_nothing(position):
    dataset = d3wrap.synthetic(12, 4, 5, 4, 8)
    changed = dataset.features.clone()
    changed[getattr(dataset, position)] = float("nan")
    other = dataclasses.replace(dataset, features=changed)
    one, two = (validation_world(data, seed=0) for data in (dataset, other))
    assert torch.equal(one.features, two.features)
    assert torch.equal(one.train, two.train)


def test_what_is_too_small_is_refused():
    with pytest.raises(DataError, match="3 seen classes are too few for a validation world"):
        validation_world(d3wrap.synthetic(5, 2, 5, 4, 8), seed=0)
    dataset = d3wrap.synthetic(12, 4, 5, 4, 8)
    with pytest.raises(DataError, match=r"has validation folds 0 … \d+, asked for 9"):
        validation_world(dataset, seed=0, fold=9)
    first = dataset.seen[0]
    rows = dataset.train[dataset.train_labels == first]
    few = dataclasses.replace(dataset, train=dataset.train[~torch.isin(dataset.train, rows[1:])])
    (fold, *_) = (f for f in range(num_folds(few)) if 0 in validation_world(dataset, seed=0, fold=f).seen)
    with pytest.raises(DataError, match="has one training image"):
        validation_world(few, seed=0, fold=fold)
