"""Reading a file: values, lines, and nothing that is ambiguous."""

import itertools
import json
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.config import load_yaml, parse_value
from d3wrap.config.loader import MAX_BYTES, MAX_DEPTH
from d3wrap.errors import ConfigError

TEXT = """\
# a comment
generator: clswgan
lr: 1e-4
'012': "012"
set:
  hidden: 012
  sizes: [1, 2]
  nested:
  - a: yes
    b: >-
      folded
      text
"""


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "run.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_values_are_plain(write):
    assert load_yaml(write(TEXT)).values == {
        "generator": "clswgan",
        "lr": 1e-4,
        "012": "012",
        "set": {"hidden": 12, "sizes": [1, 2], "nested": [{"a": "yes", "b": "folded text"}]},
    }


def test_every_key_and_item_has_its_line(write):
    lines = load_yaml(write(TEXT)).lines
    assert lines == {
        ("generator",): 2,
        ("lr",): 3,
        ("012",): 4,
        ("set",): 5,
        ("set", "hidden"): 6,
        ("set", "sizes"): 7,
        ("set", "sizes", 0): 7,
        ("set", "sizes", 1): 7,
        ("set", "nested"): 8,
        ("set", "nested", 0): 9,
        ("set", "nested", 0, "a"): 9,
        ("set", "nested", 0, "b"): 10,
    }


def test_scalars_keep_the_text_they_were_written_with(write):
    texts = load_yaml(write(TEXT)).texts
    assert texts["lr",] == "1e-4"
    assert texts["set", "hidden"] == "012"


def test_an_error_points_at_file_line_and_key(write):
    path = write(TEXT)
    error = load_yaml(path).error("is odd", "set", "nested", 0, "b")
    assert str(error) == f"{path}:10: set.nested[0].b: is odd"


@pytest.mark.parametrize("content", ["", "# nothing yet\n", b"\xef\xbb\xbf"])
def test_an_empty_file_sets_nothing(write, content):
    assert load_yaml(write(content)).values == {}


def test_a_byte_order_mark_is_no_part_of_the_first_key(write):
    assert load_yaml(write(b"\xef\xbb\xbfa: 1")).values == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a: already given on line 1"),
        ("s:\n  x: 1\n  'x': 2\n", ":3: s.x: already given on line 2"),
        ("a: 1\n---\nb: 2\n", ":2: a second document"),
        ("- a\n", ":1: expected 'key: value' lines, found a list"),
        ("\nclswgan\n", ":2: expected 'key: value' lines, found the text 'clswgan'"),
        ("null\n", ":1: expected 'key: value' lines, found nothing (null)"),
        ("a: 1\nb: &x 2\n", ":2: anchors (&) and aliases (*) are not allowed"),
        ("a: *x\n", ":1: anchors (&) and aliases (*) are not allowed"),
        ("<<: {a: 1}\n", ":1: <<: merge keys are not allowed"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", ":2: the tag 'tag:yaml.org,2002:python/object"),
        ("a: !!str 1\n", ":1: the tag 'tag:yaml.org,2002:str' is not allowed"),
        ("a: !mine 1\n", ":1: the tag '!mine' is not allowed"),
        ("1: a\n", ":1: a key must be text, found the integer 1"),
        ("true: a\n", ":1: a key must be text, found the boolean true"),
        ("? [a]\n: b\n", ":1: a key must be text, found a list"),
        ("? {a: 1}\n: b\n", ":1: a key must be text, found a mapping"),
        ("a:\n\tb: 1\n", ":2: found a tab where YAML wants spaces"),
        ("a: b: c\n", ":1: mapping values are not allowed here"),
        ("ok: 1\na: 'open\n", ":3: while scanning a quoted scalar, found unexpected end of stream"),
        ("a: [1, 2\n", ":2: while parsing a flow sequence"),
        (b"ok: 1\na: \xff\n", ":2: not UTF-8"),
        ("ok: 1\na: \x07\n", ":2: holds a character that YAML does not allow"),
        ("a: " + "[" * 50 + "]" * 50, ":1: nested more than 20 deep"),
        ("a: 1\n" + "#" * MAX_BYTES, ": larger than 64 KiB"),
    ],
)
def test_what_is_ambiguous_is_refused_with_its_line(write, content, message):
    path = write(content)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_nesting_is_allowed_up_to_the_limit():
    assert parse_value("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(ConfigError, match="nested more than 20 deep"):
        parse_value("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_an_alias_bomb_is_refused_before_it_grows(write):
    bomb = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in itertools.pairwise("abcdefg"))
    with pytest.raises(ConfigError, match="aliases"):
        load_yaml(write(bomb))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_yaml(os.fspath(tmp_path))


PRINTABLE = st.text(string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "") + "éß語😀", max_size=20)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), PRINTABLE),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(PRINTABLE, inner, max_size=3)),
    max_leaves=8,
)


@given(JSON)
def test_json_is_read_as_json(value):
    if "<<" not in json.dumps(value):
        found = parse_value(json.dumps(value, ensure_ascii=False))
        assert json.dumps(found) == json.dumps(value)


@given(st.dictionaries(PRINTABLE, JSON, max_size=4))
def test_a_file_of_json_is_read_as_json(tmp_path_factory, value):
    text = json.dumps(value, ensure_ascii=False)
    if "<<" not in text:
        path = tmp_path_factory.mktemp("yaml") / "x.yaml"
        path.write_text(text)
        document = load_yaml(path)
        assert document.values == value
        assert {keys[0] for keys in document.lines} == set(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("'012'", "012"), ("[0.5, 0.9]", [0.5, 0.9]), ("{id2sd: 0}", {"id2sd": 0}), ("", None)],
)
def test_a_value_given_as_text_means_what_it_would_in_a_file(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["[1", "!!python/name:os.system", "{a: 1, a: 2}"])
def test_a_faulty_value_is_quoted_in_the_error(text):
    with pytest.raises(ConfigError) as caught:
        parse_value(text)
    assert repr(text) in str(caught.value)
