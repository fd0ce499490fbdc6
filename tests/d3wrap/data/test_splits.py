"""The seeded hold-out."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.data.splits import hold_out


@given(
    counts=st.lists(st.integers(2, 12), min_size=1, max_size=5),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 9),
    order=st.randoms(use_true_random=False),
)
def test_every_class_gives_its_share_to_either_side(counts, fraction, seed, order):
    listed = [index for index, count in enumerate(counts) for _ in range(count)]
    order.shuffle(listed)
    labels, classes = torch.tensor([*listed, 99]), torch.arange(len(counts))
    train, test = hold_out(labels, classes, fraction, seed)
    assert torch.cat([train, test]).sort().values.equal(torch.arange(len(listed))), "class 99 was not asked for"
    assert train.equal(train.sort().values)
    assert test.equal(test.sort().values)
    for index, count in enumerate(counts):
        held_out = int((labels[test] == index).sum())
        assert held_out == min(max(round(fraction * count), 1), count - 1)
    assert hold_out(labels, classes, fraction, seed)[1].equal(test)


def test_the_seed_matters():
    labels = torch.zeros(50, dtype=torch.int64)
    assert not hold_out(labels, torch.tensor([0]), 0.5, 0)[1].equal(hold_out(labels, torch.tensor([0]), 0.5, 1)[1])
