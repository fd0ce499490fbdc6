"""Runs repeat bit for bit, both arms see the same, and an enhancer that is switched off changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

OBJECTIVES = ("classify", "id2sd", "o2dbd")


def foreign():
    """A network with all that makes a second call leave traces: running statistics and dropout."""
    return nn.Sequential(nn.Linear(7, 16), nn.BatchNorm1d(16), nn.LeakyReLU(), nn.Dropout(0.5), nn.Linear(16, 7))


NETWORKS = pytest.mark.parametrize("network", [None, foreign])


def assert_saw_the_same(one, other):
    assert len(one.seen) == len(other.seen) > 0
    for (phase, *found), (expected_phase, *expected) in zip(one.seen, other.seen, strict=True):
        assert phase == expected_phase
        for a, b in zip(found, expected, strict=True):
            assert torch.equal(a, b)


@NETWORKS
def test_the_same_seed_gives_the_same_baseline_and_another_another(spy, train, assert_same_state, network):
    first, again, other = (spy(network=network) for _ in range(3))
    train(first, seed=1)
    torch.rand(5)  # whatever the process drew in between
    assert_same_state(first, train(again, seed=1))
    assert_same_state(first, train(other, seed=2), same=False)


@NETWORKS
def test_the_same_seed_gives_the_same_enhanced_run_and_another_another(
    spy, train, enhancer_of, assert_same_state, network
):
    def run(seed):
        backbone = spy(network=network)
        enhancer = enhancer_of(backbone, seed=seed)
        torch.rand(5)
        return train(backbone, enhancer), enhancer

    (first, one), (again, two), (other, _) = run(1), run(1), run(2)
    assert_same_state(first, again)
    assert_same_state(first, other, same=False)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


@NETWORKS
@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_both_arms_see_the_same_batches_and_noise(spy, train, enhancer_of, assert_same_state, network, formulation):
    plain, enhanced = (spy(network=network) for _ in range(2))
    train(plain)
    train(enhanced, enhancer_of(enhanced, formulation=formulation))
    assert_saw_the_same(enhanced, plain)
    assert_same_state(enhanced, plain, same=False)


@NETWORKS
def test_with_every_objective_blocked_the_run_is_the_baseline(spy, train, enhancer_of, assert_same_state, network):
    plain, off = (spy(network=network) for _ in range(2))
    enhancer = enhancer_of(off, block=OBJECTIVES)
    assert_same_state(train(plain), train(off, enhancer))
    assert_saw_the_same(off, plain)


@NETWORKS
@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_with_weights_of_zero_for_the_generator_the_run_is_the_baseline(
    spy, train, enhancer_of, assert_same_state, network, formulation
):
    plain, off = (spy(network=network) for _ in range(2))
    enhancer = enhancer_of(off, formulation=formulation, generator_weights=dict.fromkeys(OBJECTIVES, 0.0))
    before = {name: value.clone() for name, value in enhancer.state_dict().items()}
    assert_same_state(train(plain), train(off, enhancer))
    assert_saw_the_same(off, plain)
    moved = {name for name, value in enhancer.state_dict().items() if not torch.equal(value, before[name])}
    assert {"student.embed.weight", "student.classify.weight"} <= moved  # while the student goes on learning


def test_training_leaves_the_global_stream_alone(spy, train, enhancer_of):
    before = torch.get_rng_state()
    backbone = spy(network=foreign)
    train(backbone, enhancer_of(backbone))
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_drawn_anew_at_each_step(spy, train, enhancer_of):
    """The enhancer's calls have streams of their own; one stream started over each time would repeat the mask."""
    masks = []

    class Masked(nn.Dropout):
        def forward(self, x):
            result = super().forward(x)
            masks.append(result == 0)
            return result

    backbone = spy(network=lambda: nn.Sequential(nn.Linear(7, 16), Masked(0.5), nn.Linear(16, 7)))
    train(backbone, enhancer_of(backbone), steps=3)
    assert len(masks) == 6
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            assert not torch.equal(mask, other)
