"""Rows are found again, or it is said that they are not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.data import GZSLDataset
from d3wrap.errors import DataError
from d3wrap.foreign import recover_labels
from d3wrap.foreign.nearest import nearest_class


def with_table(world, table):
    return GZSLDataset(**{**vars(world), "semantics": table})


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 6), m=st.integers(2, 9000), classes=st.integers(2, 5), seed=st.integers(0, 9))
def test_the_nearest_class_is_that_of_the_nearest_row(n, m, classes, seed):
    rng = torch.Generator().manual_seed(seed)
    rows, known = torch.randn(n, 3, generator=rng), torch.randn(m, 3, generator=rng) + 50
    labels = torch.randint(classes, (m,), generator=rng)
    rows = torch.where(torch.rand(n, 1, generator=rng) < 0.5, known[:n].repeat(n, 1)[:n], rows + 50)
    got = nearest_class(rows, known, labels, classes)
    distances = (rows[:, None] - known).norm(dim=2)
    for index in range(n):
        of_class = [distances[index][labels == c].min() if (labels == c).any() else torch.inf for c in range(classes)]
        ranked = sorted(range(classes), key=lambda c: of_class[c])
        near, far = (float(of_class[c]) for c in ranked[:2])
        if near > 0.45 * far and near < 0.55 * far:
            continue  # rounding decides
        assert bool(got.clear[index]) == (near <= 0.5 * far and far > 0.01)
        if got.clear[index]:
            assert int(got.classes[index]) == ranked[0]


def test_one_class_alone_is_always_clear():
    got = nearest_class(torch.rand(3, 2), torch.rand(4, 2), torch.zeros(4, dtype=torch.int64), 1)
    assert got.clear.all()
    assert got.classes.tolist() == [0, 0, 0]


@pytest.mark.parametrize("change", [
    lambda rows: rows,
    lambda rows: rows + 0.01 * torch.randn_like(rows),
    lambda rows: torch.nn.functional.normalize(rows),
    lambda rows: rows * 30,
    lambda rows: rows.half(),
    lambda rows: rows.double().requires_grad_(),
])  # fmt: skip
def test_labels_are_recovered_from_semantics(world, change):
    torch.manual_seed(0)
    ids = torch.randint(world.num_classes, (64,))
    assert torch.equal(recover_labels(change(world.semantics[ids]), world), ids)


def test_many_rows_of_a_large_table():
    rng = torch.Generator().manual_seed(0)
    table, ids = torch.rand(717, 1024, generator=rng), torch.randint(717, (2048,), generator=rng)
    world = GZSLDataset("t", table, ids, table, ids, ids, ids, ids, ids, tuple(map(str, range(717))))
    assert torch.equal(recover_labels(table[ids], world), ids)


def test_rows_between_two_classes_are_refused(world):
    middle = (world.semantics[3] + world.semantics[4]) / 2
    with pytest.raises(
        DataError, match=r"1 of 2 rows of semantics are not clearly one class's: row 1 is about as near"
    ):
        recover_labels(torch.stack([world.semantics[0], middle]), world)


def test_classes_with_the_same_semantics_cannot_be_told_apart(world):
    table = world.semantics.clone()
    table[5] = table[2]
    with pytest.raises(DataError, match=r"as near to 'class (2' as to 'class 5|5' as to 'class 2)'"):
        recover_labels(table[[2]], with_table(world, table))


def test_another_width_is_refused(world):
    with pytest.raises(DataError, match=r"shape \(2, 3\), expected \[n, 5\] as the table has: give labels instead"):
        recover_labels(torch.rand(2, 3), world)
    with pytest.raises(DataError, match=r"shape \(5,\), expected \[n, 5\]"):
        recover_labels(torch.rand(5), world)
