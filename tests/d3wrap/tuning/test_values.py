"""How values are written, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import ConfigError
from d3wrap.tuning.values import OneOf, Range, parse_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4..1e-2:log", Range(1e-4, 1e-2, log=True)),
        (" 0.5 .. 2 ", Range(0.5, 2)),
        ("1..5", Range(1, 5)),
        ("-1..1", Range(-1, 1)),
        ("16..256 : log", Range(16, 256, log=True)),
        ("groups|gram", OneOf(("groups", "gram"))),
        ("null | 0.1", OneOf((None, 0.1))),
        ("true|false", OneOf((True, False))),
        (["a", 2], OneOf(("a", 2))),
        ("0..1|2", OneOf(("0..1", 2))),
    ],
)
def test_what_is_written_is_read(text, expected):
    found = parse_values(text, "here")
    assert found == expected
    assert [type(one) for one in found.samples] == [type(one) for one in expected.samples]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (3, r"here: expected LOW\.\.HIGH, .* found the integer 3"),
        ("lots", "found the text 'lots'"),
        (None, r"found nothing \(null\)"),
        ("5..1", r"expected a low end below the high end, found 5\.\.1"),
        ("1..1", "low end below"),
        ("0..1:log", r"above 0 for a logarithmic scale, found 0\.\.1:log"),
        ("-1..1:log", "above 0"),
        ("a..b", r"found 'a\.\.b'"),
        ("true..2", r"found 'true\.\.2'"),
        ("1..2:ln", r"found '1\.\.2:ln'"),
        ("1..2:", r"found '1\.\.2:'"),
        ("a|a", r"two or more different values, found a\|a"),
        ("a||b", "expected a value between two |"),
        ([1], "two or more different values, found 1"),
        ([1, [2]], "expected numbers, texts, true, false or null, found a list"),
    ],
)
def test_anything_else_is_refused(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_values(text, "here")
    assert str(caught.value).startswith("here: ")


numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6)


@given(st.tuples(numbers, numbers).filter(lambda ends: ends[0] < ends[1]), st.booleans())
def test_a_range_is_written_as_it_is_read(ends, log):
    if log and ends[0] <= 0:
        return
    values = Range(*ends, log=log)
    again = parse_values(str(values), "here")
    assert again == values
    assert [type(one) for one in again.samples] == [type(one) for one in values.samples]


def test_what_a_range_holds():
    assert Range(0.5, 2.0).holds(1)
    assert Range(0.5, 2.0).holds(2.0)
    assert not Range(0.5, 2.0).holds(2.1)
    assert not Range(0.5, 2.0).holds(None)
    assert not Range(0.0, 2.0).holds(True)
    assert not Range(1, 4).holds(1.5)
    assert Range(1, 4).holds(4)


def test_what_a_choice_holds():
    assert OneOf((None, 1)).holds(None)
    assert OneOf((None, 1)).holds(1)
    assert not OneOf((None, 1)).holds(True)
    assert not OneOf((None, 1)).holds(1.0)
    assert str(OneOf((None, True, "a", 0.1))) == "null|true|a|0.1"
