"""Templates are filled with names and descriptions, and nothing else can stand in their braces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import ConfigError
from d3wrap.semantics.templates import parse_template


@pytest.mark.parametrize(
    ("text", "description", "filled"),
    [
        ("a photo of a {name}. {description}", "It is red.", "a photo of a rose. It is red."),
        ("a photo of a {name}. {description}", None, "a photo of a rose."),
        ("{description} ({name}, {name})", "Red.", "Red. (rose, rose)"),
        ("{{{name}}}  of\nthe garden", None, "{rose} of the garden"),
    ],
)
def test_a_template_is_filled(text, description, filled):
    assert parse_template(text).fill("rose", description) == filled
    assert parse_template(text).describes is ("{description}" in text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {nmae}", r"unknown field \{nmae\}; did you mean 'name'\? \(known: description, name\)"),
        ("a {}", r"unknown field \{\}"),
        ("a {name.__class__}", r"unknown field \{name.__class__\}"),
        ("a {name[0]}", r"unknown field"),
        ("a {name!r}", r"write \{name\} alone"),
        ("a {name:>20}", r"write \{name\} alone"),
        ("a {name", "expected '}'.*write {{ and }} for braces"),
        ("a } {name}", "write {{ and }} for braces"),
        ("a flower", "so all classes would get the same text"),
    ],
)
def test_faults_of_a_template_are_named(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_template(text)
    assert repr(text) in str(caught.value)


@given(st.text(), st.text())
def test_what_stands_in_names_and_descriptions_is_never_a_field(name, description):
    filled = parse_template("{name}|{description}").fill(name, description)
    assert filled == " ".join(f"{name}|{description}".split())
