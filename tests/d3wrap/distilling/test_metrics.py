"""The metrics against double loops, in any block size, and at their ends."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.distilling.inversions import inversions
from d3wrap.distilling.metrics import neighbourhood, relation, text_alignment
from d3wrap.errors import ConfigError, ShapeError


def drawn(n, width, seed):
    rng = torch.Generator().manual_seed(seed)
    teacher = torch.randn(n, width, dtype=torch.float64, generator=rng)
    return teacher + torch.randn(n, width, dtype=torch.float64, generator=rng) * 0.7, teacher


def cosine(a, b):
    return float(a @ b / a.norm() / b.norm())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(2, 4), st.integers(0, 10**6), st.integers(1, 5))
def test_relation_is_the_double_loop(n, width, seed, block):
    student, teacher = drawn(n, width, seed)
    right = 0
    for i in range(n):
        near = [cosine(student[i], teacher[j]) for j in range(n)]
        right += near[i] == max(near)
    assert relation(student, teacher, block=block) == right / n


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 9), st.integers(2, 4), st.integers(0, 10**6), st.integers(1, 5), st.data())
def test_neighbourhood_is_the_double_loop(n, width, seed, block, data):
    student, teacher = drawn(n, width, seed)
    k = data.draw(st.integers(1, n - 1))

    def near(features, i):
        others = [j for j in range(n) if j != i]
        return set(sorted(others, key=lambda j: -cosine(features[i], features[j]))[:k])

    shared = sum(len(near(student, i) & near(teacher, i)) for i in range(n))
    assert neighbourhood(student, teacher, k, block=block) == shared / n / k


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 19), st.integers(1, 6), st.integers(0, 10**6))
def test_inversions_are_those_of_the_double_loop_with_ties_too(n, columns, levels, seed):
    rng = torch.Generator().manual_seed(seed)
    left, right = (torch.randint(levels, (n, columns), generator=rng) for _ in range(2))
    expected = [
        sum(int((left[i, a] - left[i, b]) * (right[i, a] - right[i, b]) < 0) for a in range(columns) for b in range(a))
        for i in range(n)
    ]
    assert inversions(left, right).tolist() == expected


def test_text_alignment_is_the_share_of_inversions_in_any_block():
    student, teacher = drawn(7, 5, 3)
    text, _ = drawn(6, 5, 4)
    turned = 0
    for i in range(7):
        ours, theirs = ([cosine(one[i], t) for t in text] for one in (student, teacher))
        turned += sum((ours[a] - ours[b]) * (theirs[a] - theirs[b]) < 0 for a in range(6) for b in range(a))
    for block in (1, 3, 1024):
        assert text_alignment(student, teacher, text, block=block) == turned / (7 * 15)


def test_a_perfect_student_and_a_reversed_one():
    _, teacher = drawn(8, 5, 0)
    text, _ = drawn(6, 5, 1)
    assert relation(teacher * 3, teacher) == 1
    assert neighbourhood(teacher * 3, teacher, 4) == 1
    assert text_alignment(teacher * 3, teacher, text) == 0
    assert text_alignment(-teacher, teacher, text) == 1
    assert text_alignment(-teacher, teacher, text[:1]) == 0


def test_neighbours_need_no_common_width_and_many_texts_are_counted():
    student, teacher = drawn(8, 5, 0)
    assert 0 <= neighbourhood(student[:, :3], teacher, 7) <= 1
    ranks = torch.arange(1000)[None]
    assert inversions(ranks, -ranks).item() == 1000 * 999 // 2
    assert inversions(ranks, ranks).item() == 0


@pytest.mark.parametrize("k", [0, 8])
def test_k_must_leave_others(k):
    with pytest.raises(ConfigError, match=r"k is \d, expected 1 … 7 for 8 images"):
        neighbourhood(*drawn(8, 5, 0), k)


def test_rows_must_pair_up():
    student, teacher = drawn(8, 5, 0)
    for metric in (relation, neighbourhood):
        with pytest.raises(ShapeError, match="same n images"):
            metric(student[:3], teacher)
    with pytest.raises(ShapeError, match="one width"):
        relation(student[:, :2], teacher)


def test_images_that_are_alike_count_as_found():
    """Of two copies of an image neither teacher feature is nearer, so neither counts as another's."""
    student, teacher = drawn(6, 4, 0)
    student, teacher = student.repeat(2, 1), teacher.repeat(2, 1)
    assert relation(teacher, teacher) == 1
    assert relation(student, teacher) == relation(student[:6], teacher[:6])
    assert relation(torch.zeros_like(student), teacher) == 1
