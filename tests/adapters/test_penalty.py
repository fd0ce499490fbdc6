"""The adaptive penalty weight follows the mean penalty, as a plain loop does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.adapters.penalty import AdaptivePenalty


@given(st.lists(st.floats(0, 2, width=32), max_size=20), st.integers(1, 5))
def test_it_is_a_plain_loop(penalties, every):
    adaptive, weight, seen = AdaptivePenalty(10.0, every=every), 10.0, []
    for value in penalties:
        assert adaptive(torch.tensor(value)).item() == pytest.approx(weight * value, rel=1e-5, abs=1e-6)
        seen.append(value)
        if len(seen) == every:
            mean = float(torch.tensor(seen).sum() / every)
            weight = weight * 1.1 if mean > 1.05 else weight / 1.1 if mean < 1.001 else weight
            seen = []
    assert adaptive.weight.item() == pytest.approx(weight, rel=1e-5)


def test_a_gradient_reaches_the_penalty_and_no_state():
    adaptive, penalty = AdaptivePenalty(3.0, every=1), torch.tensor(2.0, requires_grad=True)
    adaptive(penalty).backward()
    assert penalty.grad.item() == 3.0
    assert not adaptive.weight.requires_grad


@pytest.mark.parametrize(("every", "training"), [(0, True), (1, False)])
def test_it_stays_where_it_is_not_to_follow(every, training):
    adaptive = AdaptivePenalty(10.0, every=every).train(training)
    adaptive(torch.tensor(5.0))
    assert adaptive.weight == 10.0


def test_its_state_is_stored():
    one, other = AdaptivePenalty(10.0, every=2), AdaptivePenalty(1.0, every=2)
    one(torch.tensor(3.0))
    other.load_state_dict(one.state_dict())
    for adaptive in (one, other):
        adaptive(torch.tensor(3.0))
    assert one.weight == other.weight == pytest.approx(11.0)
