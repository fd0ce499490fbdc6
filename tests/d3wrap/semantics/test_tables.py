"""Semantics are read from files of ours, from datasets and from split files, and put into one order."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import torch

import d3wrap
from d3wrap.data.converted import write_converted
from d3wrap.data.load import read_dataset
from d3wrap.data.semantics_file import ClassSemantics, write_semantics
from d3wrap.errors import DataError
from d3wrap.semantics.tables import Table, aligned, read_table

ATT = np.arange(12.0).reshape(4, 3)


def split_file(path, names=("rose", "water_lily", "iris"), **more):
    cells = {} if names is None else {"allclasses_names": np.array([[name] for name in names], dtype=object)}
    scipy.io.savemat(path, {"att": ATT, **cells, **more})
    return str(path)


def test_a_file_of_ours_is_read(tmp_path):
    write_semantics(ClassSemantics(torch.eye(2), ("a", "b"), encoder="tfidf"), tmp_path / "own.safetensors")
    table = read_table(str(tmp_path / "own.safetensors"))
    assert (table.label, table.names, table.named) == ("own (tfidf)", ("a", "b"), True)
    assert torch.equal(table.matrix, torch.eye(2))


def test_a_dataset_is_read_by_name_and_converted(tmp_path):
    digits = d3wrap.load_dataset("digits")
    write_converted(read_dataset("digits"), tmp_path / "digits.safetensors")
    for source in ("digits", str(tmp_path / "digits.safetensors")):
        table = read_table(source)
        assert torch.equal(table.matrix, digits.semantics)
        assert (table.label, table.names) == ("digits (16 attributes of the glyphs)", digits.class_names)
    assert not read_table("synthetic:classes=6").named


def test_a_split_file_is_read_alone(tmp_path):
    (tmp_path / "FLO").mkdir()
    path = split_file(tmp_path / "FLO" / "att_splits.mat", original_att=ATT + 1)
    table = read_table(path)
    assert (table.label, table.names) == ("FLO (att)", ("rose", "water_lily", "iris"))
    assert torch.equal(table.matrix, torch.from_numpy(ATT.T).float())
    other = read_table(f"{path}:original_att")
    assert (other.label, float(other.matrix[0, 0])) == ("FLO (original_att)", 1)


def test_a_folder_gives_its_split_file_whatever_features_it_has(tmp_path):
    folder = tmp_path / "FLO"
    folder.mkdir()
    with pytest.raises(DataError, match=r"has no split file \(att_splits.mat\)"):
        read_table(str(folder))
    split_file(folder / "one_splits.mat", names=("a", "b", "c"))
    assert read_table(str(folder)).names == ("a", "b", "c")
    split_file(folder / "two_splits.mat")
    with pytest.raises(DataError, match=r"has several split files; give one of .*one_splits.mat, .*two_splits.mat"):
        read_table(str(folder))
    split_file(folder / "att_splits.mat", names=("d", "e", "f"))
    assert read_table(str(folder)).names == ("d", "e", "f")
    assert read_table(str(folder)).label == "FLO (att)"


def test_names_beside_a_split_file_are_found(tmp_path):
    path = split_file(tmp_path / "att_splits.mat", names=None)
    assert not read_table(path).named
    (tmp_path / "class_names.txt").write_text("lily 2\nrose 1\niris 3\n")
    assert read_table(path).names == ("rose", "lily", "iris")


def test_a_split_file_that_contradicts_itself_is_refused(tmp_path):
    path = split_file(tmp_path / "att_splits.mat", names=("rose", "lily"))
    with pytest.raises(DataError, match="att is 4 × 3, expected a column for each of 2 classes"):
        read_table(path)
    with pytest.raises(DataError, match="no variable 'atr'"):
        read_table(f"{path}:atr")


def test_what_is_broken_is_said_by_what_reads_it(tmp_path):
    (tmp_path / "broken.safetensors").write_text("nothing of the kind")
    with pytest.raises(DataError, match="is not a sound safetensors file"):
        read_table(str(tmp_path / "broken.safetensors"))


def test_texts_are_told_what_makes_semantics_of_them(tmp_path):
    (tmp_path / "animals.tsv").write_text("zebra\tstriped\n")
    with pytest.raises(DataError, match=r"animals\.tsv: holds texts, and no semantics yet: `d3wrap semantics build"):
        read_table(str(tmp_path / "animals.tsv"))
    with pytest.raises(DataError, match="no such file"):
        read_table(str(tmp_path / "none.tsv"))


def test_classes_are_put_in_order_by_name_and_else_by_number():
    named = Table("one", torch.eye(3), ("Water Lily", "iris", "rose"))
    other = Table("other", torch.zeros(3, 1), ("rose", "water_lily", "iris"))
    numbered = Table("third", torch.eye(3), ("class 0", "class 1", "class 2"))
    found = aligned(named, other)
    assert (found.label, found.names) == ("one", other.names)
    assert torch.equal(found.matrix, torch.eye(3)[[2, 0, 1]])
    assert aligned(numbered, named).names == named.names
    assert aligned(named, numbered).names == named.names
    assert torch.equal(aligned(named, numbered).matrix, named.matrix)
    with pytest.raises(DataError, match="one: has no class 'oak', which x has"):
        aligned(named, Table("x", torch.eye(3), ("rose", "iris", "oak")))
    with pytest.raises(DataError, match="one has 3 classes and x 2; there are no names"):
        aligned(named, Table("x", torch.eye(2), ("class 0", "class 1")))
