"""What a vision–language teacher knows of images and classes comes from files beside the dataset."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.data import load_dataset
from d3wrap.data.semantics_file import ClassSemantics, write_semantics
from d3wrap.errors import DataError

NAMES = ("cat", "dog", "ox+bull", "yak")


@pytest.fixture
def text(tmp_path):
    """A file of text features whose rows are in another order than the classes."""
    matrix = torch.arange(8.0).reshape(4, 2)
    write_semantics(ClassSemantics(matrix.flip(0), NAMES[::-1], "clip"), tmp_path / "text.safetensors")
    return tmp_path / "text.safetensors"


def test_a_file_of_the_same_images(make, tmp_path, text):
    own = make.npz(tmp_path / "own.npz")
    clip = make.npz(tmp_path / "clip.npz", features=make.npz_arrays()["features"] * 2)
    dataset = load_dataset(own, teacher_features=clip, text_features=text)
    plain = load_dataset(own, scale="none")
    torch.testing.assert_close(dataset.teacher_features, plain.features * 2)
    assert dataset.text_features.tolist() == torch.arange(8.0).reshape(4, 2).tolist()
    assert dataset.provenance["teacher_features"] == "clip.npz"
    assert dataset.provenance["text_features"].startswith("text.safetensors (clip, ")
    assert {"sha256.own.npz", "sha256.clip.npz", "sha256.text.safetensors"} <= set(dataset.provenance)
    assert load_dataset(own, text_features=text).teacher_features is None


def test_a_feature_file_of_the_folder(make, tmp_path):
    import scipy.io

    folder = make.mat(tmp_path / "mats")
    stored = scipy.io.loadmat(folder / "res101.mat")
    scipy.io.savemat(folder / "clip.mat", {"features": stored["features"][:3] + 1, "labels": stored["labels"]})
    dataset = load_dataset(folder, features="res101", teacher_features="clip", scale="none")
    torch.testing.assert_close(dataset.teacher_features, dataset.features[:, :3] + 1)


def test_other_images_are_refused(make, tmp_path):
    own = make.npz(tmp_path / "own.npz")
    labels = make.npz_arrays()["labels"]
    other = make.npz(tmp_path / "other.npz", labels=labels[::-1].copy(), train=None, test_seen=None, test_unseen=None,
                     unseen=np.array([3]))  # fmt: skip
    with pytest.raises(DataError, match=r"other.npz: its 24 rows do not have the labels of the 24 rows of dataset own"):
        load_dataset(own, teacher_features=other)


def test_the_command_trains_with_them(make, tmp_path, text):
    own = make.npz(tmp_path / "own.npz")
    clip = make.npz(tmp_path / "clip.npz", features=make.npz_arrays()["features"][:, :2])
    options = ["--protocol", "fixed", "--teacher", "vlm", "--teacher-features", str(clip), "--text-features", str(text)]
    sizes = ["--set", "steps=2", "--set", "hidden=4", "--d3", "embedding_dim=4", "--classifier", "softmax"]
    done = CliRunner().invoke(
        main, ["compare", "--data", str(own), *options, *sizes, "--seeds", "1", "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "out/clswgan/seed-0/enhanced/manifest.json").read_text())
    assert manifest["config"]["d3"]["teacher"] == "vlm"
    assert manifest["config"]["data"]["teacher_features"] == str(clip)
    provenance = manifest["dataset"]["provenance"]
    assert provenance["teacher_features"] == "clip.npz"
    assert provenance["text_features"].startswith("text.safetensors")
