"""Files of class semantics: what is written is read, what is broken is refused, and a dataset takes them by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import d3wrap
from d3wrap.data.class_matching import comparable, match_names, spoken
from d3wrap.data.load import read_dataset
from d3wrap.data.semantics_file import ENTRY, ClassSemantics, read_semantics, write_semantics
from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def semantics_of(names, width=3, **more):
    rng = torch.Generator().manual_seed(len(names))
    return ClassSemantics(torch.randn(len(names), width, generator=rng), tuple(names), **more)


@pytest.fixture
def file_of(tmp_path):
    """Return a function that writes semantics for names and returns the file."""

    def write(names, name="described.safetensors", **more):
        write_semantics(semantics_of(names, **more), tmp_path / name)
        return tmp_path / name

    return write


def test_what_is_written_is_read_and_the_same_input_gives_the_same_bytes(tmp_path):
    written = semantics_of(
        ["Pink primrose", "öchsle"],
        encoder="tfidf",
        settings={"dims": 3, "share": 0.5, "model": None, "fold": True},
        templates=("{name}.", "a {name}: {description}"),
        provenance={"sha256.names.txt": "0" * 64},
    )
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    write_semantics(written, one)
    write_semantics(replace(written, settings=dict(reversed(written.settings.items()))), other)
    read = read_semantics(one)
    assert torch.equal(read.matrix, written.matrix)
    assert replace(read, matrix=written.matrix) == written
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("a.npz", semantics_of(["a"]), "must end in .safetensors"),
        ("a.safetensors", ClassSemantics(torch.rand(3), ("a",)), r"shape \(3,\), expected \[classes, width\]"),
        ("a.safetensors", ClassSemantics(torch.rand(2, 0), ("a", "b")), r"shape \(2, 0\)"),
        ("a.safetensors", ClassSemantics(torch.rand(2, 2), ("a",)), "1 class names for 2 rows"),
        ("a.safetensors", ClassSemantics(torch.tensor([[0.0], [torch.nan]]), ("a", "b")), "the row of 'b' has values"),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path, name, written, message):
    with pytest.raises(DataError, match=message):
        write_semantics(written, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


HEADER = {
    "version": 1, "class_names": ["a", "b"], "encoder": "x", "settings": {}, "templates": [], "provenance": {},
}  # fmt: skip
MATRIX = {"semantics": torch.rand(2, 3)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        (MATRIX, None, "holds no semantics; a file of semantics is written by"),
        (MATRIX, {"d3wrap": "{}"}, "is a whole dataset: give it as --data"),
        (MATRIX, {ENTRY: "{"}, "its header is not JSON"),
        (MATRIX, {ENTRY: "[]"}, "has format version None"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "version": 2})}, "has format version 2, this d3wrap reads version 1"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "class_names": "ab"})}, "'class_names' is missing or malformed"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "encoder": None})}, "'encoder' is missing or malformed"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "settings": []})}, "'settings' is missing or malformed"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "templates": [1]})}, "'templates' is missing or malformed"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "provenance": {"a": 1}})}, "'provenance' is missing or malformed"),
        (MATRIX, {ENTRY: json.dumps({**HEADER, "class_names": ["a"]})}, "1 class names for 2 rows"),
        ({"other": torch.rand(2, 3)}, {ENTRY: json.dumps(HEADER)}, r"the tensors other \(torch.float32\), expected"),
        ({"semantics": torch.rand(2, 3).double()}, {ENTRY: json.dumps(HEADER)}, "expected semantics"),
        ({**MATRIX, "more": torch.rand(1)}, {ENTRY: json.dumps(HEADER)}, "expected semantics"),
        ({"semantics": torch.full((2, 3), torch.inf)}, {ENTRY: json.dumps(HEADER)}, "the row of 'a' has values"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, tensors, metadata, message):
    save_file(tensors, tmp_path / "broken.safetensors", metadata=metadata)
    with pytest.raises(DataError, match=message) as caught:
        read_semantics(tmp_path / "broken.safetensors")
    assert "broken.safetensors" in str(caught.value)


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    (tmp_path / "broken.safetensors").write_text("nothing of the kind")
    with pytest.raises(DataError, match="is not a sound safetensors file"):
        read_semantics(tmp_path / "broken.safetensors")
    with pytest.raises(DataError, match="no such file"):
        read_semantics(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("002.Laysan_Albatross", "Laysan Albatross"),
        ("grizzly+bear", "grizzly bear"),
        (" pink__primrose ", "pink primrose"),
        ("hard-leaved_pocket_orchid", "hard-leaved pocket orchid"),
        ("747-400", "747-400"),
        ("3.14", "3.14"),
    ],
)
def test_a_name_is_spoken_as_people_write_it(name, written):
    assert spoken(name) == written


@given(st.lists(st.text("abcdefgh ", min_size=1).filter(str.strip), min_size=1, unique_by=comparable), st.randoms())
def test_names_are_matched_however_they_are_written_and_ordered(names, random):
    shuffled = random.sample(range(len(names)), len(names))
    others = [
        random.choice([str.upper, str.title])(names[place]).replace(" ", random.choice("_ +-")) for place in shuffled
    ]
    assert match_names(names, "there", others, "here") == shuffled


def test_what_is_missing_or_left_over_is_named():
    message = (
        r"there: has no class 'Violet', which here has; has 'a', 'b', 'c', 'd', 'e' and 1 more, which here has not "
        r"\(names are compared without case"
    )
    with pytest.raises(DataError, match=message):
        match_names(["Rose", *"abcdef"], "there", ["rose", "Violet"], "here")
    with pytest.raises(DataError, match="there: the class names 'pink_rose' and 'Pink Rose' are the same but for"):
        match_names(["pink_rose", "Pink Rose"], "there", ["pink rose"], "here")


def test_a_dataset_takes_the_rows_of_its_classes_whatever_their_order(file_of):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    path = file_of([DIGITS[digit].title() for digit in order], encoder="tfidf")
    dataset = d3wrap.load_dataset("digits", semantics=path)
    matrix = read_semantics(path).matrix
    for row, digit in enumerate(order):
        assert torch.equal(dataset.semantics[digit], matrix[row])
    assert dataset.provenance["semantics"] == f"described.safetensors (tfidf, {sha256_of(path)[:8]})"
    assert dataset.provenance["sha256.described.safetensors"] == sha256_of(path)
    own = d3wrap.load_dataset("digits")
    assert torch.equal(dataset.features, own.features)
    assert dataset.provenance["split"] == own.provenance["split"]


def test_a_class_too_few_or_too_many_is_named(file_of):
    with pytest.raises(DataError, match="has no class 'nine', which dataset digits has; has 'ten', which dataset"):
        d3wrap.load_dataset("digits", semantics=file_of([*DIGITS[:9], "ten"]))


def test_without_names_the_number_must_agree_and_is_said_to_have_counted(file_of):
    path = file_of(list("abcdef"))
    dataset = d3wrap.load_dataset("synthetic:classes=6,unseen=2", semantics=str(path))
    assert torch.equal(dataset.semantics, read_semantics(path).matrix)
    assert dataset.provenance["semantics"] == f"described.safetensors (unknown, {sha256_of(path)[:8]}, by number)"
    with pytest.raises(DataError, match="has 6 classes and dataset synthetic 7; there are no names"):
        d3wrap.load_dataset("synthetic:classes=7", semantics=path)


@pytest.mark.parametrize("semantics", ["flowers.npz", "made/flowers", "att.csv"])
def test_what_is_neither_a_variable_nor_such_a_file_is_refused(semantics):
    with pytest.raises(ConfigError, match="expected a variable of the split file, or a"):
        d3wrap.load_dataset("digits", semantics=semantics)


def test_a_converted_dataset_keeps_them_and_notices_when_their_file_changes(file_of, tmp_path):
    path = file_of(DIGITS)
    dataset = read_dataset("digits", semantics=path)
    d3wrap.data.converted.write_converted(dataset, tmp_path / "whole.safetensors")
    again = d3wrap.load_dataset(tmp_path / "whole.safetensors")
    assert torch.equal(again.semantics, dataset.semantics)
    assert again.provenance["semantics"] == dataset.provenance["semantics"]
    write_semantics(semantics_of(DIGITS, width=4), path)
    with pytest.raises(DataError, match=r"described\.safetensors beside it has changed since it was converted"):
        d3wrap.load_dataset(tmp_path / "whole.safetensors")


def test_a_file_of_semantics_is_no_dataset(file_of):
    with pytest.raises(DataError, match="holds class semantics alone: give it as --semantics"):
        d3wrap.load_dataset(file_of(DIGITS))
