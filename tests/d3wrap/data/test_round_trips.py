"""What goes in comes out: .mat, .npz and our own format, for random datasets; and rubbish never crashes."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.data import load_dataset
from d3wrap.data.converted import write_converted
from d3wrap.errors import DataError


@st.composite
def worlds(draw):
    """Draw arrays in the .npz layout, with shuffled rows, random sizes and a split."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes, dim, semantic_dim = (draw(st.integers(2, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 4)))
    counts = rng.integers(2, 6, classes)
    labels = rng.permutation(np.repeat(np.arange(classes), counts))
    unseen = rng.permutation(classes)[: draw(st.integers(1, classes - 1))]
    train, test_seen = [], []
    for index in np.setdiff1d(np.arange(classes), unseen):
        rows = rng.permutation(np.flatnonzero(labels == index))
        test_seen.append(rows[:1])
        train.append(rows[1:])
    return {
        "features": rng.normal(size=(len(labels), dim)).astype(np.float32),
        "labels": labels,
        "semantics": rng.normal(size=(classes, semantic_dim)).astype(np.float32),
        "train": rng.permutation(np.concatenate(train)),
        "test_seen": np.concatenate(test_seen),
        "test_unseen": np.flatnonzero(np.isin(labels, unseen)),
        "class_names": np.array([f"kind {index}" for index in range(classes)]),
        "teacher_features": rng.normal(size=(len(labels), 3)).astype(np.float32),
        "text_features": rng.normal(size=(classes, 3)).astype(np.float32),
    }


def assert_holds(dataset, world, *, teacher=("teacher_features", "text_features")):
    for name in ("features", "labels", "semantics", "train", "test_seen", "test_unseen", *teacher):
        np.testing.assert_array_equal(getattr(dataset, name).numpy(), world[name], err_msg=name)
    assert dataset.features.dtype == dataset.semantics.dtype == torch.float32
    assert dataset.class_names == tuple(world["class_names"])
    assert set(dataset.seen.tolist()) == set(world["labels"][world["train"]])
    assert set(dataset.unseen.tolist()) == set(world["labels"][world["test_unseen"]])
    assert (dataset.seen.diff() > 0).all()
    assert (dataset.unseen.diff() > 0).all()


@given(world=worlds())
@settings(max_examples=40, deadline=None)
def test_npz_and_conversion(world, make):
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/a.npz", **world)
        dataset = load_dataset(f"{folder}/a.npz", scale="none")
        assert_holds(dataset, world)
        write_converted(dataset, Path(folder, "b.safetensors"))
        make.same(load_dataset(f"{folder}/b.safetensors", scale="none"), dataset)


def test_a_scaled_dataset_is_not_written_as_if_it_were_the_source(tmp_path):
    with pytest.raises(DataError, match="a scaled dataset cannot be written; load it with scale='none'"):
        write_converted(load_dataset("digits"), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


@given(world=worlds(), kind=st.sampled_from(["<f8", ">f8", "<u2", ">i4"]), compressed=st.booleans())
@settings(max_examples=40, deadline=None)
def test_mat(world, kind, compressed, make):
    import scipy.io

    def column(name):
        return (world[name] + 1).astype(kind)[:, None]

    with tempfile.TemporaryDirectory() as folder, make.parsing_here():
        features = {"features": world["features"].T, "labels": column("labels")}
        split = {
            "att": world["semantics"].T.astype(float),
            "allclasses_names": make.cells(list(world["class_names"])),
            "trainval_loc": column("train"),
            "test_seen_loc": column("test_seen"),
            "test_unseen_loc": column("test_unseen").T,
        }
        scipy.io.savemat(f"{folder}/res101.mat", features, do_compression=compressed)
        scipy.io.savemat(f"{folder}/att_splits.mat", split, do_compression=compressed)
        first = load_dataset(folder, scale="none")
        assert_holds(first, world, teacher=())
        make.same(load_dataset(folder, scale="none"), first)
        assert first.official_train is None


@given(world=worlds())
@settings(max_examples=30, deadline=None)
def test_npz_without_rows_holds_out_some_of_every_seen_class(world):
    unseen = np.unique(world["labels"][world["test_unseen"]])
    arrays = {name: world[name] for name in ("features", "labels", "semantics")}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/a.npz", **arrays, unseen=unseen)
        dataset, again = load_dataset(f"{folder}/a.npz"), load_dataset(f"{folder}/a.npz")
    assert dataset.unseen.tolist() == unseen.tolist()
    rows = torch.cat([dataset.train, dataset.test_seen, dataset.test_unseen])
    assert rows.sort().values.tolist() == list(range(len(world["labels"])))
    assert dataset.labels[dataset.test_seen].unique().equal(dataset.seen)
    assert dataset.class_names[0] == "class 0"
    assert again.train.equal(dataset.train)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_flipped_bytes_give_a_dataset_or_our_error(suffix, data, make):
    with tempfile.TemporaryDirectory() as folder:
        path = make.npz(Path(folder, "a.npz"))
        if suffix == "safetensors":
            write_converted(load_dataset(path, scale="none"), Path(folder, "a.safetensors"))
            path.unlink()
            path = Path(folder, "a.safetensors")
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        with contextlib.suppress(DataError):
            assert load_dataset(path).num_classes == 4
