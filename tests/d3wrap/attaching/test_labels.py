"""Labels in each convention, or none, mean the same batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

CONVENTIONS = {
    "global": lambda data, labels: labels,
    "seen": lambda data, labels: torch.searchsorted(data.seen, labels),
    "block": lambda data, labels: torch.searchsorted(data.seen, labels),
}


@pytest.fixture
def shuffled(data):
    """The same dataset with its class ids permuted, so that seen classes do not come first."""
    order = torch.tensor([3, 0, 5, 2, 1, 4])  # new id of each class
    back = order.argsort()
    return dataclasses.replace(
        data,
        labels=order[data.labels],
        semantics=data.semantics[back],
        seen=order[data.seen].sort().values,
        unseen=order[data.unseen].sort().values,
    )


def losses_of(d3, *batch, **more):
    losses = d3.on_batch(*batch, **more)
    return {name: float(value) for name, value in losses.terms.items()} | {"total": float(losses.total.detach())}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_four_ways_to_label_a_batch_give_the_same_loss(world, attach, sampling, shuffled, convention, told):
    one = world()
    one.data = shuffled
    features, labels = one.batch(12)
    options = {"labels": convention} if told else {}
    expected = losses_of(attach(sampling(one.network), shuffled), features, labels)
    given = CONVENTIONS[convention](shuffled, labels)
    assert losses_of(attach(sampling(one.network), shuffled, **options), features, given) == expected
    none = losses_of(attach(sampling(one.network), shuffled), features, semantics=shuffled.semantics[labels])
    assert none == expected


def test_the_scripts_current_batch(world, attach, sampling, shuffled):
    """``real=`` is asked at every step; the hook and on_batch make the same of it."""
    found = []
    for way in ("hook", "explicit"):
        one = world(None, torch.optim.SGD, lr=0.1)
        one.data = shuffled
        features, labels = one.batch(12)
        seen = torch.searchsorted(shuffled.seen, labels)
        given = {"optimizer": one.optimizer, "real": lambda f=features, s=seen: (f, s)} if way == "hook" else {}
        d3 = attach(sampling(one.network), shuffled, gradient_share=0.0, **given)
        one.optimizer.zero_grad()
        if way == "explicit":
            d3.on_batch(features, seen).total.backward()
        one.optimizer.step()
        assert d3.steps == 1
        found.append([p.detach().clone() for p in one.network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
