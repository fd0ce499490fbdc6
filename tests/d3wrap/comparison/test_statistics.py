import functools
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from d3wrap.comparison.statistics import (
    FEWEST_FOR_SIGNIFICANCE,
    fewest_for,
    holm,
    lowest_holm,
    out_of_reach,
    paired_difference,
    wilcoxon_p,
)
from d3wrap.errors import DataError

VALUES = st.integers(-40, 40).map(lambda i: i / 64)


@given(st.dictionaries(st.integers(0, 99), st.tuples(VALUES, VALUES), min_size=2, max_size=9))
def test_numbers_equal_scipy_and_loops(pairs):
    baseline = {seed: a for seed, (a, _) in pairs.items()}
    enhanced = {seed: b for seed, (_, b) in reversed(pairs.items())}
    found = paired_difference(baseline, enhanced)

    differences = [b - a for a, b in pairs.values()]
    n, mean = len(differences), math.fsum(differences) / len(differences)
    std = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    assert (found.n, found.wins) == (n, sum(d > 0 for d in differences))
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.std == pytest.approx(std, abs=1e-12)
    if std > 0:
        test = stats.ttest_rel([b for _, b in pairs.values()], [a for a, _ in pairs.values()])
        interval = test.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert found.effect_size == pytest.approx(test.statistic / math.sqrt(n))
    else:
        assert found.effect_size is None
        assert (found.low, found.high) == (found.mean, found.mean)


def test_one_seed_has_a_mean_and_no_interval():
    found = paired_difference({3: 0.5}, {3: 0.75})
    assert (found.n, found.mean, found.wins, found.std, found.low, found.high) == (1, 0.25, 1, None, None, None)
    assert found.wilcoxon_p == 1.0


@pytest.mark.parametrize("enhanced", [{}, {0: 1.0}, {0: 1.0, 2: 1.0}, {0: 1.0, 1: 1.0, 2: 1.0}])
def test_seeds_that_do_not_pair_up_are_named(enhanced):
    with pytest.raises(DataError, match=r"baseline has \[0, 1\], enhanced has"):
        paired_difference({0: 0.5, 1: 0.5}, enhanced)


def test_nothing_cannot_be_compared():
    with pytest.raises(DataError, match="seeds do not pair up"):
        paired_difference({}, {})


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_wilcoxon_counts_all_signs(differences):
    """With ties and zeros, against an enumeration of all 2ⁿ signs."""
    nonzero = [d for d in differences if d != 0]
    ranks = [sum(abs(o) < abs(d) for o in nonzero) + (sum(abs(o) == abs(d) for o in nonzero) + 1) / 2 for d in nonzero]
    centre = sum(ranks) / 2
    observed = sum(r for r, d in zip(ranks, nonzero, strict=True) if d > 0)
    sums = [
        sum(r for r, keep in zip(ranks, k, strict=True) if keep) for k in itertools.product([0, 1], repeat=len(ranks))
    ]
    as_far = sum(abs(s - centre) >= abs(observed - centre) for s in sums)
    assert wilcoxon_p([float(d) for d in differences]) == pytest.approx(as_far / len(sums))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12, unique=True), st.integers(0, 2**12 - 1))
def test_wilcoxon_equals_scipy_without_ties(sizes, signs):
    differences = [float(size if signs >> i & 1 else -size) for i, size in enumerate(sizes)]
    assert wilcoxon_p(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@pytest.mark.parametrize(("n", "p"), [(5, 0.0625), (6, 0.03125)])
def test_six_wins_are_the_fewest_that_can_be_significant(n, p):
    assert wilcoxon_p([0.01 * (i + 1) for i in range(n)]) == p


@given(st.lists(st.integers(0, 40).map(lambda i: i / 40), min_size=1, max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    """Against the procedure as Holm states it: at each level, smallest p first, until one is not small enough."""
    adjusted = holm(p_values)
    for level in (0.01, 0.049, 0.051, 0.1, 0.3, 0.99):
        rejected, m = set(), len(p_values)
        for step, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
            if p_values[index] * (m - step) > level:
                break
            rejected.add(index)
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert max(adjusted) <= 1


@functools.cache
def reachable(n):
    """Every p that n seeds can give: each choice of signs, of distinct sizes."""
    return {
        wilcoxon_p([sign * (i + 1.0) for i, sign in enumerate(signs)]) for signs in itertools.product((1, -1), repeat=n)
    }


@pytest.mark.parametrize(
    "pairs", [(5,), (6,), (6, 6), (7, 7), (3, 7), (6, 9), (6, 6, 6), (7, 7, 7), (4, 6, 8), (6, 7, 7), (5, 5, 5, 5)]
)
def test_no_outcome_gives_a_smaller_adjusted_p_than_the_lowest(pairs):
    """Against every outcome of every test of the family."""
    outcomes = [holm(p_values) for p_values in itertools.product(*map(reachable, pairs))]
    lowest = [min(adjusted) for adjusted in zip(*outcomes, strict=True)]
    assert lowest_holm(pairs) == lowest
    said = "" if max(lowest) < 0.05 else f"adjusted for {len(pairs)} tests, p cannot fall below 0.05 with fewer than"
    assert out_of_reach(pairs).startswith(said)
    assert bool(out_of_reach(pairs)) == bool(said)


@pytest.mark.parametrize("tests", [1, 2, 3])
def test_so_many_seeds_are_the_fewest_for_a_family(tests):
    best = {
        n: min(min(holm(p_values)) for p_values in itertools.product(reachable(n), repeat=tests)) for n in range(3, 9)
    }
    assert fewest_for(tests) == next(n for n, p in best.items() if p < 0.05)


def test_three_classifiers_need_seven_seeds():
    assert fewest_for(1) == FEWEST_FOR_SIGNIFICANCE
    assert out_of_reach([6, 6, 6]) == "adjusted for 3 tests, p cannot fall below 0.05 with fewer than 7 seeds"
    assert out_of_reach([7, 7, 7]) == out_of_reach([6]) == out_of_reach([]) == ""


def test_the_table_of_the_documentation_is_right():
    text = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
    head, seeds = (re.search(rf"^\| {name} .*$", text, re.M)[0] for name in ("tests in the family", "fewest seeds"))
    for span, fewest in zip(head.split("|")[2:-1], seeds.split("|")[2:-1], strict=True):
        first, _, last = span.strip().partition("–")
        found = {fewest_for(tests) for tests in range(int(first), int(last or first) + 1)}
        assert found == {int(fewest)}
        assert fewest_for(int(last or first) + 1) > int(fewest)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_printed_interval_covers_95_percent(n):
    """4,000 simulated comparisons of normal differences: the interval holds the truth in 93 to 97 % of them."""
    rng = np.random.default_rng(n)
    truth, covered = 0.02, 0
    for _ in range(4000):
        before = rng.normal(0.5, 0.1, n)
        after = before + rng.normal(truth, 0.05, n)
        found = paired_difference(dict(enumerate(before)), dict(enumerate(after)))
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 4000 <= 0.97
