"""Real batches: every row once an epoch, in an order of the stream alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.training.batches import RealBatches


def batches_of(rows: int, size: int, seed: int = 0) -> RealBatches:
    features = torch.arange(rows, dtype=torch.float32)[:, None] * torch.tensor([1.0, 10.0])
    labels = torch.arange(rows) % 3
    semantics = torch.tensor([[5.0], [6.0], [7.0]])
    return RealBatches(features, labels, semantics, size, torch.Generator().manual_seed(seed))


@given(rows=st.integers(1, 30), size=st.integers(1, 40))
def test_an_epoch_visits_every_row_at_most_once_and_as_many_as_fit(rows, size):
    batches = batches_of(rows, size)
    expected = min(size, rows)
    for _ in range(3):
        epoch = torch.cat([batches.draw().features[:, 0] for _ in range(rows // expected)])
        assert len(epoch.unique()) == len(epoch) == rows // expected * expected


@given(rows=st.integers(1, 30), size=st.integers(1, 40))
def test_features_labels_and_semantics_belong_together(rows, size):
    batch = batches_of(rows, size).draw()
    row = batch.features[:, 0].long()
    assert torch.equal(batch.features[:, 1], 10.0 * row)
    assert torch.equal(batch.labels, row % 3)
    assert torch.equal(batch.semantics[:, 0], 5.0 + batch.labels)


def test_each_epoch_has_an_order_of_its_own_and_the_seed_decides():
    def orders(seed: int) -> list[list[float]]:
        batches = batches_of(20, 20, seed)
        return [batches.draw().features[:, 0].tolist() for _ in range(2)]

    assert orders(0) == orders(0)
    first, second = orders(0)
    assert first != second
    assert orders(1)[0] != first


def test_drawing_leaves_the_global_stream_alone():
    before = torch.get_rng_state()
    batches_of(20, 20).draw()
    assert torch.equal(torch.get_rng_state(), before)
