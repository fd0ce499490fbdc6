"""Small sound datasets on disk; each test breaks one thing in them."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io

from d3wrap.data import matlab_child

PER_CLASS, CLASSES, DIM, SEMANTIC_DIM = 6, 4, 3, 5


def cells(names):
    column = np.empty((len(names), 1), dtype=object)
    column[:, 0] = names
    return column


def matlab_arrays():
    """24 images of 4 classes in xlsa17's layout: classes 1 to 3 seen, 4 unseen; every third row test_seen."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(1, CLASSES + 1), PER_CLASS)
    seen = np.flatnonzero(labels < CLASSES) + 1
    test_seen, trainval = seen[seen % 3 == 0], seen[seen % 3 != 0]
    return {
        "features": rng.random((DIM, len(labels)), dtype=np.float32),
        "labels": labels[:, None].astype(float),
        "att": rng.random((SEMANTIC_DIM, CLASSES)),
        "original_att": rng.random((SEMANTIC_DIM, CLASSES)) * 100,
        "allclasses_names": cells(["cat", "dog", "ox+bull", "yak"]),
        "trainval_loc": trainval[:, None].astype(float),
        "test_seen_loc": test_seen[:, None].astype(float),
        "test_unseen_loc": np.flatnonzero(labels == CLASSES)[:, None] + 1.0,
        # like the official files: the test_seen rows are listed here too
        "train_loc": seen[seen <= 12][:, None].astype(float),
        "val_loc": seen[seen > 12][:, None].astype(float),
    }


def write_mat(directory: Path, stem="res101", split="att_splits", **changes) -> Path:
    """Write a sound pair with some variables changed; ``None`` leaves one out."""
    arrays = {name: value for name, value in {**matlab_arrays(), **changes}.items() if value is not None}
    own = {name: arrays.pop(name) for name in ("features", "labels") if name in arrays}
    directory.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(directory / f"{stem}.mat", own, do_compression=True)
    scipy.io.savemat(directory / f"{split}.mat", arrays, do_compression=True)
    return directory


def npz_arrays():
    arrays = matlab_arrays()
    return {
        "features": arrays["features"].T,
        "labels": arrays["labels"].ravel().astype(int) - 1,
        "semantics": arrays["att"].T,
        "train": arrays["trainval_loc"].ravel().astype(int) - 1,
        "test_seen": arrays["test_seen_loc"].ravel().astype(int) - 1,
        "test_unseen": arrays["test_unseen_loc"].ravel().astype(int) - 1,
        "class_names": np.array(["cat", "dog", "ox+bull", "yak"]),
    }


def write_npz(path: Path, **changes) -> Path:
    arrays = {name: value for name, value in {**npz_arrays(), **changes}.items() if value is not None}
    np.savez(path, **arrays)
    return path


def assert_same(one, other):
    """Compare everything but the name and where the numbers came from."""
    for name in vars(one):
        left, right = getattr(one, name), getattr(other, name)
        if name in ("name", "provenance", "scaler"):
            continue
        if hasattr(left, "dtype"):
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=name)
        else:
            assert left == right, name


@contextlib.contextmanager
def parsing_here():
    """Parse .mat files in this process, much faster than starting a child for each; gives the files parsed."""
    parsed = []

    def run(command, **_):
        parsed.append(Path(command[3]).name)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = matlab_child.main(*command[3:])
        return subprocess.CompletedProcess(command, code, b"", said.getvalue().encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run)
        patch.setattr(matlab_child, "_limit_memory", lambda budget: None)
        yield parsed


@pytest.fixture(scope="session")
def make():
    return SimpleNamespace(
        mat=write_mat,
        npz=write_npz,
        matlab_arrays=matlab_arrays,
        npz_arrays=npz_arrays,
        cells=cells,
        same=assert_same,
        parsing_here=parsing_here,
    )


@pytest.fixture(autouse=True)
def private_cache(monkeypatch, tmp_path_factory):
    """No test may write to the real cache, nor be steered by the environment."""
    monkeypatch.delenv("D3WRAP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg")))
