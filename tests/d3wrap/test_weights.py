"""Weighted sums of named terms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import ConfigError
from d3wrap.weights import check_names, named_terms, weighted_sum

NAMES = ("a/x", "a/y", "b/x", "c/z")


@given(weights=st.dictionaries(st.sampled_from(NAMES), st.floats(-3, 3), min_size=4))
def test_the_sum_is_of_weight_times_term(weights):
    terms = {name: torch.tensor(float(index + 1), dtype=torch.float64) for index, name in enumerate(NAMES)}
    found = weighted_sum(terms, weights.__getitem__)
    expected = sum(weights[name] * float(value) for name, value in terms.items())
    if any(weights.values()):
        assert float(found) == pytest.approx(expected, abs=1e-12)
    else:
        assert found is None


def test_a_term_of_weight_zero_takes_no_part_even_if_it_is_nan():
    terms = {"a/x": torch.tensor(float("nan")), "b/x": torch.tensor(2.0)}
    assert float(weighted_sum(terms, {"a/x": 0.0, "b/x": 1.5}.__getitem__)) == 3.0


def test_without_terms_there_is_no_sum():
    assert weighted_sum({}, lambda name: 1.0) is None


def test_terms_are_named_by_plugin_in_the_order_of_the_hooks():
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    found = named_terms([("b", {"x": one, "a": two}), ("a", {}), ("c", {"x": two})])
    assert list(found.items()) == [("b/x", one), ("b/a", two), ("c/x", two)]


def test_terms_and_objectives_may_be_named_and_nothing_else():
    check_names(
        {"id2sd": 1.0, "id2sd/labels": 2.0, "o2dbd": 0.0, "mine": 1.0}, ["id2sd/labels", "o2dbd/relation", "mine"], "w"
    )
    for wrong, near in (("id2s", "id2sd"), ("id2sd/label", "id2sd/labels"), ("labels", "id2sd/labels")):
        with pytest.raises(ConfigError, match=rf"student_weights: no loss is called '{wrong}'; did you mean '{near}'"):
            check_names({wrong: 1.0}, ["id2sd/labels"], "student_weights")
