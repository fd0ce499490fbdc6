"""Plain scalars follow YAML 1.2; JSON, a subset of it, is the oracle."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.config.scalars import describe, parse_scalar


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1e-4", 1e-4), ("1.", 1.0), (".5", 0.5), ("1E5", 1e5), ("-2.5e+3", -2500.0), ("+.5e1", 5.0),
        (".inf", float("inf")), ("-.INF", float("-inf")),
        ("012", 12), ("0o12", 10), ("0x1F", 31), ("-7", -7), ("+7", 7), ("0", 0),
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRue", "tRue"),
        ("1:30", "1:30"), ("2024-01-02", "2024-01-02"), ("1_000", "1_000"), ("0b1", "0b1"), ("0o9", "0o9"),
        (".nan", ".nan"), ("1e999", "1e999"), ("nan", "nan"), ("inf", "inf"), (".", "."), ("e5", "e5"),
        ("-", "-"), ("1.2.3", "1.2.3"), ("9" * 100, int("9" * 100)), ("9" * 101, "9" * 101), ("٣", "٣"),
    ],
)  # fmt: skip
def test_a_plain_scalar_means_what_yaml_1_2_says(text, meaning):
    found = parse_scalar(text)
    assert found == meaning
    assert type(found) is type(meaning)


@given(st.one_of(st.none(), st.booleans(), st.integers(-(10**60), 10**60), st.floats(allow_nan=False, width=64)))
def test_numbers_and_words_of_json_mean_the_same(value):
    text = json.dumps(value)
    text = text.replace("Infinity", ".inf")
    found = parse_scalar(text)
    assert found == value
    assert type(found) is type(value)


@given(st.text())
def test_any_text_is_read_without_failing(text):
    assert isinstance(parse_scalar(text), None | bool | int | float | str)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing (null)"), (True, "the boolean true"), (3, "the integer 3"), (0.5, "the number 0.5"),
        ("abc", "the text 'abc'"), ({}, "a mapping"), ([], "a list"), ((), "a list"), (b"", "a bytes"),
    ],
)  # fmt: skip
def test_a_value_is_named_for_people(value, words):
    assert describe(value) == words


def test_a_long_text_is_named_in_short():
    assert len(describe("word " * 1000)) < 100
