"""What an argument of a foreign call is: semantics, noise, or something that no guess is made about."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.attaching.roles import arguments_of, noise_like
from d3wrap.attaching.watching import shown, usable

KINDS = {"unit rows": 0, "attributes": 1, "centred": 2}


def table_of(kind, classes, width, rng):
    """Make a semantics table like those of the benchmarks: sentence embeddings, percentages, standardised."""
    table = torch.rand(classes, width, generator=rng)
    if kind == "unit rows":
        return torch.nn.functional.normalize(table, dim=1)
    return 100 * table if kind == "attributes" else torch.randn(classes, width, generator=rng)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    classes=st.integers(5, 60),
    width=st.integers(12, 120),
    rows=st.integers(8, 70),
    turned=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_semantics_are_told_from_noise_of_the_same_width(kind, classes, width, rows, turned, seed):
    rng = torch.Generator().manual_seed(seed)
    table = table_of(kind, classes, width, rng)
    semantics = table[torch.randint(classes, (rows,), generator=rng)]
    noise = torch.randn(rows, width, generator=rng)
    given = (semantics, noise) if turned else (noise, semantics)
    call = arguments_of(given, {}, table)
    assert [a.role for a in call] == (["semantics", "noise"] if turned else ["noise", "semantics"])
    assert usable(call)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(12, 80), share=st.floats(0.0, 0.2), seed=st.integers(0, 2**20))
def test_slightly_changed_semantics_are_still_found_and_foreign_ones_are_not(width, share, seed):
    rng = torch.Generator().manual_seed(seed)
    table = torch.rand(20, width, generator=rng)
    spread = torch.nn.functional.pdist(table).median()
    rows = table[torch.randint(20, (30,), generator=rng)]
    jitter = torch.nn.functional.normalize(torch.randn(30, width, generator=rng), dim=1)
    (near,) = arguments_of((rows + share * spread * jitter,), {}, table)
    assert near.role == "semantics"
    assert near.distance == pytest.approx(share, abs=0.01)
    (far,) = arguments_of((rows + 3 * spread * jitter,), {}, table)
    assert far.role != "semantics"


@settings(max_examples=40, deadline=None)
@given(count=st.integers(200, 4000), seed=st.integers(0, 2**20))
def test_distributions_are_told_apart(count, seed):
    rng = torch.Generator().manual_seed(seed)
    normal, uniform = torch.randn(count, generator=rng), torch.rand(count, generator=rng)
    assert noise_like(normal) == "normal"
    assert noise_like(uniform) == "uniform"
    for other in (2 * normal, normal + 0.7, 2 * uniform, uniform - 0.5, uniform.square(), normal.clamp(min=0)):
        assert noise_like(other) is None


def test_what_is_too_little_to_tell_is_not_told():
    assert noise_like(torch.randn(7)) is None


def test_other_arguments_are_kept_or_doubted():
    table = torch.rand(5, 4)
    call = arguments_of((None, 2.0, "x", True, torch.arange(3), [1], torch.rand(3), torch.empty(0, 4)), {}, table)
    assert [a.role for a in call] == ["constant"] * 4 + ["other"] * 4
    assert not usable(call)
    assert [a.value for a in call[:4]] == [None, 2.0, "x", True]


def test_a_call_is_shown_in_words():
    table = torch.eye(5, 4)
    call = arguments_of((table[:2].half(), [1]), {"t": 3, "flag": None}, table)
    assert shown(call) == "(float16 [2, 4] of the semantics table, a list, t=3, flag=None)"


def test_one_class_only():
    table = torch.rand(1, 4)
    assert arguments_of((table,), {}, table)[0].role == "semantics"
