"""Directories in the xlsa17 format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from d3wrap.data import load_dataset


@pytest.fixture(autouse=True)
def parse_here(make):
    with make.parsing_here():
        yield


def test_official_rows_hold_no_test_image(tmp_path, make):
    arrays = make.matlab_arrays()
    listed = np.concatenate([arrays["train_loc"], arrays["val_loc"]])
    assert np.isin(arrays["test_seen_loc"], listed).all(), "the trap must be in the file"
    dataset = load_dataset(make.mat(tmp_path / "data"))
    official = dataset.official_train.tolist() + dataset.official_val.tolist()
    assert set(official) == set(dataset.train.tolist())
    assert not set(official) & set(dataset.test_seen.tolist())
    assert set(dataset.official_train.tolist()) == set(range(12)) - set(dataset.test_seen.tolist())


def test_ids_and_rows_count_from_zero_and_are_kept(tmp_path, make):
    arrays = make.matlab_arrays()
    dataset = load_dataset(make.mat(tmp_path / "CUB"), scale="none")
    assert dataset.name == "CUB"
    assert dataset.labels.tolist() == (arrays["labels"].ravel() - 1).tolist()
    assert (dataset.seen.tolist(), dataset.unseen.tolist()) == ([0, 1, 2], [3])
    np.testing.assert_array_equal(dataset.features.numpy(), arrays["features"].T)
    np.testing.assert_array_equal(dataset.semantics.numpy(), arrays["att"].T.astype(np.float32))
    assert dataset.provenance["features"] == "res101"
    assert len(dataset.provenance["sha256.att_splits.mat"]) == 64


@pytest.mark.parametrize("source", ["file", "beside", "nowhere"])
def test_class_names(source, tmp_path, make):
    directory = make.mat(tmp_path / "data", **({} if source == "file" else {"allclasses_names": None}))
    if source != "nowhere":  # the split file goes before the text file
        (directory / "class_names.txt").write_text("ape 2 ape\nant 1 ant\n\nbee 4 bee\nelk 3 elk\n")
    expected = {
        "file": ("cat", "dog", "ox+bull", "yak"),
        "beside": ("ant", "ape", "elk", "bee"),
        "nowhere": ("class 0", "class 1", "class 2", "class 3"),
    }
    assert load_dataset(directory).class_names == expected[source]


@pytest.mark.parametrize(
    ("stems", "splits", "expected"),
    [
        (["vgg", "res101"], ["att_splits", "sent_splits"], ("res101", "att_splits")),
        (["vgg"], ["sent_splits"], ("vgg", "sent_splits")),
    ],
)
def test_default_choice_of_files(stems, splits, expected, tmp_path, make):
    for stem in stems:
        for split in splits:
            make.mat(tmp_path / "data", stem=stem, split=split)
    provenance = load_dataset(tmp_path / "data").provenance
    assert (provenance["features"], provenance["split"]) == expected


REAL = Path(os.environ.get("D3WRAP_DATA", "no such directory")) / "FLO"


@pytest.mark.skipif(not REAL.is_dir(), reason="D3WRAP_DATA does not name a directory with FLO in it")
def test_flowers(tmp_path):
    dataset = load_dataset(REAL, features="mbv2", cache=tmp_path)
    assert dataset.features.shape == (8189, 1280)
    assert dataset.semantics.shape == (102, 1024)
    assert (len(dataset.seen), len(dataset.unseen)) == (82, 20)
    assert (len(dataset.train), len(dataset.test_seen), len(dataset.test_unseen)) == (5631, 1403, 1155)
    assert dataset.class_names[:2] == ("pink_primrose", "hard-leaved_pocket_orchid")
    official = set(dataset.official_train.tolist()) | set(dataset.official_val.tolist())
    assert official == set(dataset.train.tolist())
