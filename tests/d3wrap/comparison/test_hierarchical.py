"""The interval over seeds, classes and images, against loops and simulated comparisons."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.comparison.hierarchical import hierarchical_difference
from d3wrap.errors import DataError
from d3wrap.evaluation.rows import Outcomes


def outcomes(rng, classes=3, images=6, chance=0.5):
    """Return test rows of which each is right with its own ``chance``."""
    labels = np.repeat(np.arange(2 * classes), images)
    right = rng.uniform(size=len(labels)) < chance
    cut = classes * images
    return Outcomes(labels[:cut], right[:cut], labels[cut:], right[cut:])


def accuracy(labels, right):
    shares = {}
    for label, ok in zip(labels.tolist(), right.tolist(), strict=True):
        shares.setdefault(label, []).append(ok)
    return math.fsum(sum(found) / len(found) for found in shares.values()) / len(shares)


def by_loops(baseline, enhanced):
    def three(run):
        u, s = accuracy(run.unseen_labels, run.unseen_right), accuracy(run.seen_labels, run.seen_right)
        return {"U": u, "S": s, "H": 2 * u * s / (u + s) if u + s else 0.0}

    pairs = [(three(a), three(b)) for a, b in zip(baseline, enhanced, strict=True)]
    return {name: math.fsum(b[name] - a[name] for a, b in pairs) / len(pairs) for name in ("U", "S", "H")}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 4))
def test_the_mean_is_that_of_loops_and_lies_between_the_extremes(seed, n):
    rng = np.random.default_rng(seed)
    baseline, enhanced = ([outcomes(rng) for _ in range(n)] for _ in range(2))
    found = hierarchical_difference(baseline, enhanced, resamples=20)
    assert found.mean == pytest.approx(by_loops(baseline, enhanced))
    assert all(-1 <= found.low[name] <= found.high[name] <= 1 for name in ("U", "S", "H"))
    assert found == hierarchical_difference(baseline, enhanced, resamples=20)


def test_the_same_runs_differ_by_nothing():
    runs = [outcomes(np.random.default_rng(i)) for i in range(3)]
    found = hierarchical_difference(runs, runs, resamples=30)
    assert [*found.low.values(), *found.high.values()] == pytest.approx([0.0] * 6)


def test_classes_are_drawn_anew_and_not_images_alone():
    """Each class is all right or all wrong, so that images drawn anew change nothing, and classes do."""
    labels = np.repeat(np.arange(8), 5)
    wrong, gained = np.zeros(40, dtype=bool), labels % 2 == 0
    baseline, enhanced = (Outcomes(labels, right, labels + 8, right) for right in (wrong, gained))
    found = hierarchical_difference([baseline], [enhanced], resamples=100)
    assert found.mean["U"] == pytest.approx(0.5)
    assert found.low["U"] < 0.5 < found.high["U"]


def test_fewer_classes_widen_it():
    widths = []
    for classes in (4, 40):
        rng = np.random.default_rng(0)
        base = [outcomes(rng, classes) for _ in range(4)]
        other = [outcomes(rng, classes) for _ in range(4)]
        found = hierarchical_difference(base, other, resamples=300)
        widths.append(found.high["U"] - found.low["U"])
    assert widths[1] < widths[0] / 2


def test_it_covers_a_known_difference():
    """Classes differ in what D³ does to them: the truth is the mean over classes that might have been drawn."""
    rng, covered, trials = np.random.default_rng(1), 0, 60
    labels = np.repeat(np.arange(60), 5)
    for _ in range(trials):
        gains = rng.normal(0.1, 0.1, 60)  # of each class; those drawn here are a sample

        def run(shift):
            right = rng.uniform(size=300) < np.clip(0.5 + shift[labels], 0, 1)
            return Outcomes(labels[:150], right[:150], labels[150:], right[150:])

        baseline, enhanced = [run(0 * gains) for _ in range(6)], [run(gains) for _ in range(6)]
        found = hierarchical_difference(baseline, enhanced, resamples=80)
        covered += found.low["U"] <= 0.1 <= found.high["U"]
    assert 0.86 <= covered / trials <= 1.0


def test_arms_that_cannot_be_compared():
    rng = np.random.default_rng(0)
    one, two = outcomes(rng), outcomes(rng)
    with pytest.raises(DataError, match="1 baseline runs, 2 enhanced ones"):
        hierarchical_difference([one], [one, two])
    other = dataclasses.replace(one, unseen_labels=one.unseen_labels + 1)
    with pytest.raises(DataError, match="different unseen images"):
        hierarchical_difference([one], [other])
