"""Several tasks summed up, against naive loops and simulated data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.comparison.aggregate import aggregate, interquartile_mean, probability_of_improvement
from d3wrap.errors import DataError

VALUES = st.integers(0, 64).map(lambda i: i / 64)
TASKS = st.lists(
    st.dictionaries(st.integers(0, 9), st.tuples(VALUES, VALUES), min_size=1, max_size=5), min_size=1, max_size=4
)


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_the_interquartile_mean_is_of_the_middle_half(values):
    cut = len(values) // 4
    middle = sorted(values)[cut : len(values) - cut]
    assert interquartile_mean(values) == pytest.approx(math.fsum(middle) / len(middle))


@given(TASKS)
def test_probability_of_improvement_counts_all_pairs(tasks):
    shares = []
    for task in tasks:
        pairs = list(itertools.product([a for a, _ in task.values()], [b for _, b in task.values()]))
        shares.append(sum(1.0 if b > a else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs))
    assert probability_of_improvement(tasks) == pytest.approx(math.fsum(shares) / len(shares))


@given(TASKS)
def test_the_summary_has_these_numbers_within_their_intervals_ends(tasks):
    found = aggregate(tasks, resamples=40)
    assert found.improvement == pytest.approx(probability_of_improvement(tasks))
    assert found.baseline_iqm == interquartile_mean([a for task in tasks for _, (a, _) in sorted(task.items())])
    for low, high in (found.baseline_interval, found.enhanced_interval, found.improvement_interval):
        assert 0 <= low <= high <= 1
    assert found == aggregate(tasks, resamples=40)


def test_a_clear_gain_is_one():
    tasks = [{seed: (0.1 + seed / 100, 0.5 + seed / 100) for seed in range(5)} for _ in range(2)]
    found = aggregate(tasks)
    assert found.improvement == 1.0
    assert found.improvement_interval == (1.0, 1.0)
    assert found.enhanced_interval[0] > found.baseline_interval[1]


def test_the_interval_narrows_with_seeds():
    rng = np.random.default_rng(0)
    widths = []
    for n in (4, 40):
        task = {seed: tuple(rng.uniform(size=2)) for seed in range(n)}
        low, high = aggregate([task], resamples=300).improvement_interval
        widths.append(high - low)
    assert widths[1] < widths[0]


@pytest.mark.parametrize("tasks", [[], [{}], [{0: (0.1, 0.2)}, {}]])
def test_nothing_cannot_be_summed_up(tasks):
    with pytest.raises(DataError, match="each with runs"):
        aggregate(tasks)
