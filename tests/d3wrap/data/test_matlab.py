"""The child process that parses .mat files: what it survives, and both formats of MATLAB."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import h5py
import numpy as np
import pytest

from d3wrap.data import Limits, load_dataset, matlab
from d3wrap.errors import DataError, MissingExtraError

CHILDREN = {
    "segmentation fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(SIGSEGV\)"),
    "killed for memory": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"crashed \(SIGKILL\)"),
    "endless": ("import time; time.sleep(60)", "took longer than 0.5 s and was stopped"),
    "silent failure": ("import sys; sys.exit(9)", "stopped without saying why"),
    "broken install": ("import no_such_module", "No module named 'no_such_module'"),
}


@pytest.mark.parametrize("case", CHILDREN)
def test_death_of_the_child_is_an_error_that_names_the_file(case, tmp_path, make, monkeypatch):
    source, message = CHILDREN[case]
    child = tmp_path / "child.py"
    child.write_text(source)
    monkeypatch.setattr(matlab, "CHILD", child)
    directory = make.mat(tmp_path / "data")
    with pytest.raises(DataError, match=f"res101.mat: .*{message}"):
        load_dataset(directory, limits=Limits(seconds=0.5 if case == "endless" else 30))
    assert sorted(path.name for path in directory.iterdir()) == ["att_splits.mat", "res101.mat"]


def test_an_array_that_needs_too_much_memory_is_refused(tmp_path, make):
    directory = make.mat(tmp_path / "data")
    with h5py.File(directory / "res101.mat", "w") as file:
        file.create_dataset("features", (100_000, 1000), "f8")  # 800 MB when read, nothing on disk
        file["labels"] = np.ones((1, 100_000))
    with pytest.raises(DataError, match=r"declares \(100000, 1000\), which needs more memory than the limit of 790,"):
        load_dataset(directory, limits=Limits(memory_bytes=790_000_000))
    # enough for what the array declares, but not for that and the parser
    with pytest.raises(DataError, match=r"res101.mat: needs more memory than the limit of 810,000,000 bytes"):
        load_dataset(directory, limits=Limits(memory_bytes=810_000_000))


def test_the_child_imports_neither_torch_nor_d3wrap():
    code = (
        f"import sys, runpy; runpy.run_path({str(matlab.CHILD)!r});"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'd3wrap')])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_numpy_in_the_current_directory_is_not_run(tmp_path, make, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('run by mistake')")
    monkeypatch.chdir(tmp_path)
    assert load_dataset(make.mat(tmp_path / "data")).num_classes == 4


def write_hdf5(path, arrays, userblock=512):
    """Write variables as MATLAB v7.3 does: transposed, cell arrays as references to arrays of characters."""
    with h5py.File(path, "w", userblock_size=userblock) as file:
        for name, value in arrays.items():
            if value.dtype == object:
                references = np.empty((1, len(value)), dtype=h5py.ref_dtype)
                for index, text in enumerate(value.ravel()):
                    codes = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
                    references[0, index] = file.create_dataset(f"#refs#/{name}{index}", data=codes).ref
                file.create_dataset(name, data=references).attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                file.create_dataset(name, data=value.T.astype(">f8")).attrs["MATLAB_class"] = np.bytes_("double")
    if userblock:
        head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
        with path.open("r+b") as stream:
            stream.write(head)


@pytest.mark.parametrize("userblock", [0, 512])
def test_v73_gives_what_v5_gives(userblock, tmp_path, make):
    arrays = make.matlab_arrays()
    hdf5 = tmp_path / "hdf5"
    hdf5.mkdir()
    write_hdf5(hdf5 / "res101.mat", {name: arrays.pop(name) for name in ("features", "labels")}, userblock)
    write_hdf5(hdf5 / "att_splits.mat", arrays, userblock)
    ours, expected = load_dataset(hdf5), load_dataset(make.mat(tmp_path / "v5"))
    make.same(ours, expected)
    assert ours.class_names == ("cat", "dog", "ox+bull", "yak")


def test_v73_without_h5py_says_what_to_install(tmp_path, make, monkeypatch):
    directory = make.mat(tmp_path / "data")
    write_hdf5(directory / "res101.mat", {"labels": np.ones((3, 1))})
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "h5py" else usual(name))
    with pytest.raises(MissingExtraError, match=r"res101.mat \(MATLAB v7.3.*pip install 'd3wrap\[hdf5\]'"):
        load_dataset(directory)


def struct(file, path):
    file.create_group("features")


def link(file, path):
    file["features"] = h5py.ExternalLink(path, "/features")


def virtual(file, path):
    layout = h5py.VirtualLayout((24, 3), "f8")
    layout[:] = h5py.VirtualSource(path, "features", (24, 3))
    file.create_virtual_dataset("features", layout)


def external(file, path):
    file.create_dataset("features", (24, 3), "f8", external=[(path, 0, h5py.h5f.UNLIMITED)])


def vector(file, path):
    file["features"] = np.ones(24)


def compound(file, path):
    file["features"] = np.ones((24, 3), dtype=[("real", "f8"), ("imag", "f8")])


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (struct, "features is a struct, a sparse array or a link"),
        (link, "features is a struct, a sparse array or a link"),
        (virtual, "features takes its numbers from another file"),
        (external, "features takes its numbers from another file"),
        (vector, "features has 1 dimensions, expected 2"),
        (compound, "expected real numbers"),
    ],
)
def test_v73_variables_that_are_no_plain_arrays_are_refused(put, message, tmp_path, make):
    directory = make.mat(tmp_path / "data")
    write_hdf5(tmp_path / "other.h5", {"features": np.ones((3, 24))}, userblock=0)
    with h5py.File(directory / "res101.mat", "w") as file:
        file["labels"] = make.matlab_arrays()["labels"].T
        put(file, str(tmp_path / "other.h5"))
    with make.parsing_here(), pytest.raises(DataError, match=f"res101.mat: .*{message}"):
        load_dataset(directory)
