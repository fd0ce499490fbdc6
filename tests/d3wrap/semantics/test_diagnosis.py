"""The numbers of a diagnosis against naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import DataError
from d3wrap.semantics.diagnosis import agreement, diagnose, nearest

NAMES = tuple("abcdefgh")


def random_matrix(seed, classes=8, width=5):
    return torch.randn(classes, width, generator=torch.Generator().manual_seed(seed))


def cosine(one, other):
    product = sum(x * y for x, y in zip(one, other, strict=True))
    norms = math.sqrt(sum(x * x for x in one)) * math.sqrt(sum(x * x for x in other))
    return product / norms if norms else 0.0


@given(st.integers(0, 100), st.integers(2, 8), st.integers(1, 5))
def test_the_numbers_equal_naive_loops(seed, classes, k):
    matrix = random_matrix(seed, classes)
    found = diagnose(matrix, NAMES[:classes], k)
    rows = matrix.double().tolist()
    pairs = [cosine(rows[i], rows[j]) for i in range(classes) for j in range(i)]
    assert found.mean == pytest.approx(sum(pairs) / len(pairs))
    assert found.sd == pytest.approx(math.sqrt(sum((one - found.mean) ** 2 for one in pairs) / len(pairs)), abs=1e-9)
    assert (found.lowest, found.highest) == pytest.approx((min(pairs), max(pairs)))
    for i in range(classes):
        others = sorted((-cosine(rows[i], rows[j]), j) for j in range(classes) if j != i)[:k]
        assert [near.place for near in found.neighbours[i]] == [j for _, j in others]
        assert [near.cosine for near in found.neighbours[i]] == pytest.approx([-c for c, _ in others])


def test_the_effective_rank_counts_directions():
    # classes at the corners of a simplex differ in C − 1 directions, all alike
    assert diagnose(torch.eye(8), NAMES).effective_rank == pytest.approx(7)
    assert diagnose(torch.ones(8, 3), NAMES).effective_rank == 0
    # on one line through the origin there are two directions, and they differ in one
    line = torch.tensor([[1.0, 2], [-1, -2], [2, 4], [-3, -6]])
    assert diagnose(line, NAMES[:4]).effective_rank == pytest.approx(1)


@given(st.integers(0, 50))
def test_the_effective_rank_is_the_exponential_of_an_entropy_and_ignores_scale(seed):
    matrix = random_matrix(seed)
    unit = matrix.double() / matrix.double().norm(dim=1, keepdim=True)
    values = np.linalg.svd((unit - unit.mean(0)).numpy(), compute_uv=False)
    shares = values / values.sum()
    found = diagnose(matrix * torch.arange(1, 9)[:, None], NAMES).effective_rank
    assert found == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares if p > 0)), rel=1e-5)


def test_a_class_of_which_nothing_is_known_is_near_none():
    found = diagnose(torch.tensor([[0.0, 0], [1, 0], [1, 1]]), NAMES[:3])
    assert found.cosines[0].tolist() == [0, 0, 0]
    assert [near.place for near in found.neighbours[0]] == [1, 2]


def test_one_class_cannot_be_told_from_others():
    with pytest.raises(DataError, match="1 class: at least two"):
        diagnose(torch.rand(1, 3), ("a",))


@given(st.integers(0, 100), st.integers(1, 7))
def test_agreement_equals_naive_loops(seed, k):
    one, other = (diagnose(random_matrix(seed + more), NAMES, k) for more in (0, 1000))
    found = agreement(one, other)
    pairs = [(float(one.cosines[i, j]), float(other.cosines[i, j])) for i in range(8) for j in range(i)]
    ranks = [scipy.stats.rankdata(side) for side in zip(*pairs, strict=True)]
    assert found.spearman == pytest.approx(np.corrcoef(*ranks)[0, 1])
    shares = []
    for i in range(8):
        ours, theirs = ({near.place for near in side.neighbours[i]} for side in (one, other))
        assert found.shared[i] == ours & theirs
        shares.append(len(ours & theirs) / k)
    assert found.overlap == pytest.approx(sum(shares) / 8)
    assert found.chance == pytest.approx(k / 7)


def test_semantics_agree_with_themselves_and_with_what_turns_them():
    matrix = random_matrix(3)
    turned = torch.linalg.qr(random_matrix(4, 5))[0]
    found = agreement(diagnose(matrix, NAMES), diagnose(matrix @ turned, NAMES))
    assert (found.spearman, found.overlap) == (pytest.approx(1), 1)


def test_there_is_no_rank_where_all_are_alike():
    found = agreement(diagnose(random_matrix(0), NAMES), diagnose(torch.eye(8), NAMES))
    assert math.isnan(found.spearman)


def test_of_equally_near_classes_the_first_comes_first():
    places = [[near.place for near in row] for row in nearest(torch.ones(4, 4).double(), 2)]
    assert places == [[1, 2], [0, 2], [0, 1], [0, 1]]
