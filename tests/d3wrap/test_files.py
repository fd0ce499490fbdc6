"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.files import atomic_path, sha256_of, write_json


def test_the_content_is_there_after_the_block_and_not_before(tmp_path):
    target = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename is atomic within one file system
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_an_error_leaves_the_old_content_and_no_temporary_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def write_half():
        with atomic_path(target) as temporary:
            temporary.write_text("ha")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_half()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_reader_sees_old_or_new_content_only(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with target.open() as reader:
        with atomic_path(target) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_the_mode_is_what_the_umask_leaves(tmp_path):
    target = tmp_path / "file.txt"
    before = os.umask(0o027)
    try:
        with atomic_path(target) as temporary:
            temporary.write_text("")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"H": float("-inf")}]])
def test_json_refuses_what_is_no_number_and_keeps_the_old_file(tmp_path, value):
    target = tmp_path / "file.json"
    write_json(target, {"H": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, value)
    assert json.loads(target.read_text()) == {"H": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_json_comes_back_as_it_was(tmp_path_factory, value):
    target = tmp_path_factory.mktemp("json") / "file.json"
    write_json(target, value)
    text = target.read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("\n")


def test_the_hash_is_of_the_content(tmp_path):
    target = tmp_path / "file.bin"
    target.write_bytes(bytes(range(256)) * 1000)
    assert sha256_of(target) == hashlib.sha256(bytes(range(256)) * 1000).hexdigest()
