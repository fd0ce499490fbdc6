"""The made-up world: its truth is true, and each dial does what it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.data import load_dataset, synthetic, synthetic_world
from d3wrap.data.checks import check_dataset
from d3wrap.errors import ConfigError

SIZES = {
    "num_classes": st.integers(2, 9),
    "feature_dim": st.integers(1, 7),
    "semantic_dim": st.integers(1, 7),
    "samples_per_class": st.integers(2, 9),
    "seed": st.integers(0, 99),
}


@given(sizes=st.fixed_dictionaries(SIZES), data=st.data())
@settings(max_examples=50, deadline=None)
def test_every_world_is_a_sound_dataset_of_the_asked_size(sizes, data):
    num_unseen = data.draw(st.integers(1, sizes["num_classes"] - 1))
    dataset = synthetic(num_unseen=num_unseen, **sizes)
    check_dataset(dataset)
    assert dataset.features.shape == (sizes["num_classes"] * sizes["samples_per_class"], sizes["feature_dim"])
    assert dataset.semantics.shape == (sizes["num_classes"], sizes["semantic_dim"])
    assert len(dataset.unseen) == num_unseen
    assert dataset.features.min() >= 0


def test_class_means_are_the_expectation_of_the_features():
    world = synthetic_world(num_classes=4, num_unseen=1, feature_dim=8, samples_per_class=40_000)
    labels, features = world.dataset.labels, world.dataset.features
    observed = torch.stack([features[labels == index].mean(0) for index in range(4)])
    torch.testing.assert_close(observed, world.class_means, atol=0.015, rtol=0)


def test_a_seed_decides_everything():
    one, same, other = synthetic(seed=3), synthetic(seed=3), synthetic(seed=4)
    assert one.features.equal(same.features)
    assert one.test_seen.equal(same.test_seen)
    assert not one.features.equal(other.features)
    assert not one.semantics.equal(other.semantics)


def test_shift_moves_unseen_classes_alone_and_keeps_their_spread():
    still, half, full = (
        synthetic_world(num_classes=60, num_unseen=30, feature_dim=200, shift=shift) for shift in (0.0, 0.5, 1.0)
    )
    seen, unseen = still.dataset.seen, still.dataset.unseen
    assert still.class_means[seen].equal(full.class_means[seen])
    assert still.dataset.semantics.equal(full.dataset.semantics)
    correlation = [
        float(torch.corrcoef(torch.stack([still.activations[unseen].flatten(), w.activations[unseen].flatten()]))[0, 1])
        for w in (half, full)
    ]
    assert correlation[0] == pytest.approx(0.5**0.5, abs=0.1)
    assert correlation[1] == pytest.approx(0, abs=0.1)
    assert full.activations[unseen].std() == pytest.approx(float(still.activations[unseen].std()), rel=0.15)


def test_semantic_noise_blurs_what_the_learner_gets_and_nothing_else():
    clean, noisy = synthetic_world(semantic_dim=200), synthetic_world(semantic_dim=200, semantic_noise=0.5)
    assert noisy.clean_semantics.equal(clean.dataset.semantics)
    assert noisy.dataset.features.equal(clean.dataset.features)
    noise = noisy.dataset.semantics - noisy.clean_semantics
    assert noise.std() == pytest.approx(0.5 * float(clean.clean_semantics.std()), rel=0.05)


def test_unseen_classes_can_be_recognised_from_the_truth_and_not_under_full_shift():
    def accuracy(shift):
        world = synthetic_world(num_classes=60, num_unseen=10, semantic_dim=4, shift=shift)
        data = world.dataset
        a = torch.cat([data.semantics, data.semantics**2, torch.ones(data.num_classes, 1)], 1)
        means = torch.stack([data.features[data.train][data.train_labels == c].mean(0) for c in data.seen])
        weights = torch.linalg.lstsq(a[data.seen], means).solution
        nearest = torch.cdist(data.features[data.test_unseen], a[data.unseen] @ weights).argmin(1)
        return float((data.unseen[nearest] == data.labels[data.test_unseen]).float().mean())

    assert accuracy(0.0) > 0.6
    assert accuracy(1.0) < 0.4


def test_dials_in_a_name_are_the_arguments():
    named = load_dataset(
        "synthetic:classes=6,unseen=2,dim=5,semantics=3,samples=9,noise=.5,shift=0.25,seed=7", scale="none"
    )
    called = synthetic(6, 2, 5, 3, 9, 0.5, 0.25, 7)
    assert named.features.equal(called.features)
    assert named.semantics.equal(called.semantics)
    assert load_dataset("synthetic").num_classes == 20


@pytest.mark.parametrize(
    ("name", "value"), [("num_classes", 1), ("num_unseen", 0), ("samples_per_class", 1), ("semantic_noise", -1.0)]
)
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}, expected"):
        synthetic(**{name: value})
