"""Files and arguments that must be refused, each with an error that says what is wrong."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load_file, save_file

from d3wrap.data import Limits, load_dataset
from d3wrap.data.converted import write_converted
from d3wrap.errors import ConfigError, DataError


def changed(name, index, value):
    """Return a maker of ``{name: array}`` with one element changed."""

    def change(arrays):
        array = np.array(arrays[name], dtype=float)
        array[index] = value
        return {name: array}

    return change


def mat(change=None, **fixed):
    """Return a maker of a directory with the pair of files, changed."""

    def build(tmp_path, make):
        return make.mat(tmp_path / "broken", **fixed, **(change(make.matlab_arrays()) if change else {}))

    return build


def npz(change=None, **fixed):
    def build(tmp_path, make):
        return make.npz(tmp_path / "broken.npz", **fixed, **(change(make.npz_arrays()) if change else {}))

    return build


def whole(name, index, value):
    """Like ``changed``, for the integer arrays of an npz."""
    return lambda arrays: {name: changed(name, index, value)(arrays)[name].astype(int)}


def content(name, data):
    """Return a maker of a directory in which file ``name`` has other bytes."""

    def build(tmp_path, make):
        directory = make.mat(tmp_path / "broken")
        (directory / name).write_bytes(data(directory / name) if callable(data) else data)
        return directory

    return build


def converted(edit_header=None, edit_tensors=None):
    """Return a maker of a converted file with its header or tensors edited."""

    def build(tmp_path, make):
        path = tmp_path / "broken.safetensors"
        write_converted(load_dataset(make.npz(tmp_path / "a.npz"), scale="none"), path)
        tensors = load_file(path)
        with path.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))["__metadata__"]["d3wrap"]
        metadata = {"d3wrap": edit_header(header) if edit_header else header}
        save_file(edit_tensors(tensors) if edit_tensors else tensors, path, metadata=metadata)
        return path

    return build


def changed_source(tmp_path, make):
    path = make.npz(tmp_path / "a.npz")
    write_converted(load_dataset(path, scale="none"), tmp_path / "broken.safetensors")
    make.npz(path, features=make.npz_arrays()["features"] + 1)
    return tmp_path / "broken.safetensors"


def other_file(name, data):
    def build(tmp_path, make):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return build


def empty_directory(tmp_path, make):
    (tmp_path / "broken").mkdir()
    return tmp_path / "broken"


def several(tmp_path, make):
    make.mat(tmp_path / "broken", stem="vgg19")
    return make.mat(tmp_path / "broken", stem="mbv2")


def only_split(tmp_path, make):
    (make.mat(tmp_path / "broken") / "res101.mat").unlink()
    return tmp_path / "broken"


def directory_for_file(tmp_path, make):
    (make.mat(tmp_path / "broken") / "att_splits.mat").unlink()
    (tmp_path / "broken" / "att_splits.mat").mkdir()
    return tmp_path / "broken"


def names_file(text):
    def build(tmp_path, make):
        directory = make.mat(tmp_path / "broken", allclasses_names=None)
        (directory / "class_names.txt").write_bytes(text)
        return directory

    return build


def bomb(tmp_path, make):
    with zipfile.ZipFile(tmp_path / "broken.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", bytes(5_000_000))
    return tmp_path / "broken.npz"


def lying_header(tmp_path, make):
    """Write an array that claims 8 TB and holds nothing."""
    with zipfile.ZipFile(tmp_path / "broken.npz", "w") as archive:
        text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
        archive.writestr("features.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    return tmp_path / "broken.npz"


def drop(name):
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def header_with(**values):
    return lambda header: json.dumps({**json.loads(header), **values})


def rows(*values):
    return np.array(values)[:, None].astype(float)


BROKEN = {
    # names and paths
    "unknown name": (lambda *_: "digitz", "did you mean 'digits'"),
    "no such path": (lambda *_: "nowhere/AWA2", "no such file or directory, .*known: digits, synthetic"),
    "mat alone": (lambda t, m: m.mat(t / "broken") / "res101.mat", "res101.mat: .*give the directory"),
    "other suffix": (other_file("a.csv", b"1,2"), "a.csv: .*expected .npz, .safetensors or a directory"),
    "empty directory": (empty_directory, "broken: holds no .mat file"),
    "no features": (only_split, "has no features file, expected res101.mat"),
    "no split": (lambda t, m: m.mat(t / "broken", split="other"), "has no split file, expected att_splits.mat"),
    "several features": (several, r"several features files; say which with features=.*mbv2, vgg19"),
    "directory for a file": (directory_for_file, "att_splits.mat: is not a regular file"),
    # MATLAB files
    "empty mat": (content("res101.mat", b""), "res101.mat: is empty"),
    "not matlab": (content("res101.mat", b"<html>" * 99), "res101.mat: is not a MATLAB file.*<html>"),
    "truncated mat": (content("res101.mat", lambda p: p.read_bytes()[:400]), "res101.mat: cannot be parsed"),
    "hdf5 signature only": (content("res101.mat", b"\x89HDF\r\n\x1a\n" + bytes(600)), "res101.mat: cannot be parsed"),
    "missing features": (mat(features=None), "res101.mat: no variable 'features'; it has labels"),
    "missing labels": (mat(labels=None), "res101.mat: no variable 'labels'; it has features"),
    "missing att": (mat(att=None), "att_splits.mat: no variable 'att'; it has original_att"),
    "missing rows": (mat(test_unseen_loc=None), "att_splits.mat: no variable 'test_unseen_loc'"),
    "struct": (mat(features={"a": 1}), "res101.mat: features is a struct"),
    "sparse": (mat(features=scipy.sparse.eye(24).tocsc()), "features is a sparse"),
    "complex": (mat(features=np.ones((3, 24)) * 1j), "features holds complex128, expected real"),
    "three dimensions": (mat(features=np.ones((3, 24, 2))), "features has 3 dimensions"),
    "text for numbers": (mat(labels="cats"), "labels holds text, expected numbers"),
    "transposed features": (
        lambda t, m: m.mat(t / "broken", features=m.matlab_arrays()["features"].T),
        "features is 24 × 3 and there are 24 labels.*transposed",
    ),
    "features disagree": (mat(features=np.ones((3, 20))), "features is 3 × 20 and there are 24 labels"),
    "transposed att": (
        lambda t, m: m.mat(t / "broken", att=m.matlab_arrays()["att"].T),
        "att is 4 × 5 and labels go to 4.*transposed",
    ),
    "too few classes": (mat(att=np.ones((5, 3))), "att is 5 × 3 and labels go to 4"),
    "labels matrix": (mat(labels=np.ones((6, 4))), "labels is 6 × 4, expected a vector"),
    "labels from 0": (lambda t, m: m.mat(t / "b", labels=m.matlab_arrays()["labels"] - 1), "labels has 0.*add 1"),
    "fractional label": (mat(changed("labels", (2, 0), 1.5)), "res101.mat: labels holds 1.5, expected whole"),
    "NaN label": (mat(changed("labels", (2, 0), np.nan)), "labels holds nan, expected whole"),
    "empty split": (mat(test_seen_loc=np.zeros((0, 1))), r"test_seen_loc is empty \(0 × 1\)"),
    "row 0": (mat(changed("trainval_loc", (0, 0), 0)), "trainval_loc has row 0, expected 1 … 24; .*add 1"),
    "row too large": (mat(changed("trainval_loc", (0, 0), 25)), "trainval_loc has row 25, .*split of these features"),
    "fractional row": (mat(changed("val_loc", (0, 0), 7.25)), "att_splits.mat: val_loc holds 7.25"),
    "names": (lambda t, m: m.mat(t / "b", allclasses_names=m.cells(["cat"])), "has 1 names, expected one for each"),
    "numbers in names": (lambda t, m: m.mat(t / "b", allclasses_names=m.cells([1.0, 2.0])), "something else than text"),
    "class_names line": (names_file(b"cat 1 cat\ndog\n"), "class_names.txt:2: expected 'NAME ID', found 'dog'"),
    "class_names id": (names_file(b"cat 1\ndog 1\n"), "class_names.txt:2: class id 1 is given twice"),
    "class_names short": (names_file(b"cat 1\ndog 3\n"), "class_names.txt: names 2 classes, expected 4; class id 2"),
    "class_names bytes": (names_file(b"\xff\xfe 1\n"), "class_names.txt: cannot be read as UTF-8"),
    # content
    "NaN feature": (mat(changed("features", (1, 7), np.nan)), "features has 1 values.* row 7, column 1"),
    "infinite att": (mat(changed("att", (2, 3), -np.inf)), "semantics has 1 values.* row 3, column 2"),
    "float32 overflow": (mat(changed("features", (0, 0), 1e300)), "features has 1 values that are NaN or inf"),
    "overlap": (mat(changed("test_seen_loc", (0, 0), 1)), "train and test_seen share 1 rows, the first is row 0"),
    "train on unseen": (mat(changed("trainval_loc", (0, 0), 20)), r"train and test_unseen share"),
    "seen and unseen": (
        mat(trainval_loc=rows(1, 2, 7, 13, 19), test_unseen_loc=rows(20, 21)),
        r"class 3 \(yak\): both seen and unseen",
    ),
    "test_seen of unseen": (
        mat(test_seen_loc=rows(3, 19), test_unseen_loc=rows(20, 21)),
        r"class 3 \(yak\): in test_seen but without training rows",
    ),
    "repeated rows": (mat(test_seen_loc=rows(3, 3, 9, 15)), "test_seen lists 1 rows more than once, .* row 2"),
    "class without images": (mat(att=np.ones((5, 6)), allclasses_names=None), r"class 4 \(class 4\), 5 \(class 5\)"),
    "class in no split": (mat(trainval_loc=rows(1, 7), test_seen_loc=rows(3, 9)), r"class 2 \(ox\+bull\): images but"),
    # npz
    "not a zip": (other_file("a.npz", b"features"), "a.npz: is not an .npz file"),
    "truncated npz": (
        lambda t, m: other_file("b.npz", m.npz(t / "a.npz").read_bytes()[:900])(t, m),
        "b.npz: is damaged",
    ),
    "object array": (npz(features=np.array([{}, None], dtype=object)), "broken.npz: features cannot be read .*Object"),
    "zip bomb": (bomb, "broken.npz: unpacks to 5,000,000 bytes, more than the limit of 4,000,000"),
    "lying header": (lying_header, "broken.npz: features cannot be read"),
    "npz key missing": (npz(semantics=None), "broken.npz: no key 'semantics'; it has class_names, features"),
    "npz unknown key": (npz(test_sen=np.arange(3)), "unknown key 'test_sen'; did you mean 'test_seen'"),
    "npz half a split": (npz(test_seen=None), "has the rows train, test_unseen, expected all"),
    "npz no split": (npz(train=None, test_seen=None, test_unseen=None), "no split: give the rows"),
    "npz no seen": (npz(train=None, test_seen=None, test_unseen=None, unseen=np.arange(4)), "no image is of a seen"),
    "npz text features": (npz(features=np.array([["a"]])), "features holds <U1, expected real numbers"),
    "npz float labels": (npz(labels=np.arange(24.0)), "labels is float64 of shape"),
    "npz class names": (npz(class_names=np.arange(4)), "class_names is int64"),
    "npz labels from 1": (lambda t, m: m.npz(t / "a.npz", labels=m.npz_arrays()["labels"] + 1), "subtract 1"),
    "npz negative label": (npz(whole("labels", 0, -1)), "labels run from -1 to 3, expected class ids 0 … 3"),
    "npz row": (npz(whole("train", 0, 24)), "broken.npz: the rows of seen classes leave 0 … 23"),
    "npz test row": (npz(whole("test_seen", 0, -1)), "test_seen has row -1, expected rows 0 … 23"),
    "npz transposed": (lambda t, m: m.npz(t / "a.npz", features=m.npz_arrays()["features"].T), "seem to be transposed"),
    "npz flat features": (npz(features=np.ones(24)), r"features has shape \(24,\), expected 2 dimensions"),
    "npz seen wrong": (npz(seen=np.array([0, 1])), "seen is not the sorted set of classes of the train rows"),
    "npz unseen wrong": (npz(unseen=np.array([2, 3])), r"class 2 \(ox\+bull\): both seen and unseen"),
    "npz names short": (npz(class_names=np.array(["cat"])), "1 class names and 4 rows of semantics"),
    "npz teacher short": (npz(teacher_features=np.ones((3, 2))), r"teacher_features has shape \(3, 2\), expected \(2"),
    "npz text short": (npz(text_features=np.ones((3, 2))), r"text_features has shape \(3, 2\), expected \(4, e\)"),
    "npz teacher NaN": (npz(text_features=np.full((4, 2), np.nan)), "text_features has 8 values that are NaN"),
    # converted
    "converted rubbish": (other_file("a.safetensors", b"{}" * 40), "a.safetensors: is not a sound safetensors"),
    "foreign safetensors": (
        lambda t, m: save_file({"x": np.ones(2)}, t / "a.safetensors") or t / "a.safetensors",
        "a.safetensors: is no dataset that d3wrap wrote",
    ),
    "converted bad JSON": (converted(lambda header: header[:-2]), "broken.safetensors: its header is not JSON"),
    "converted version": (converted(header_with(version=99)), "has format version 99, this d3wrap reads version 1"),
    "converted JSON list": (converted(lambda _: "[]"), "has format version None"),
    "converted header key": (converted(header_with(class_names=[1])), "its header's 'class_names' is missing or"),
    "converted tensor": (converted(None, drop("train")), "broken.safetensors: has no tensor 'train'"),
    "converted extra": (converted(None, lambda t: {**t, "y": t["labels"]}), "has an unknown tensor 'y'"),
    "converted dtype": (
        converted(None, lambda t: {**t, "labels": t["labels"].astype(np.float32)}),
        "labels is torch.float32, expected torch.int64",
    ),
    "converted leak": (
        converted(None, lambda t: {**t, "official_val": t["test_seen"]}),
        "official_val has rows that are not in train",
    ),
    "converted official overlap": (
        converted(None, lambda t: {**t, "official_val": t["train"][:2], "official_train": t["train"]}),
        "official_train and official_val share 2 rows",
    ),
    "changed source": (changed_source, "broken.safetensors: a.npz beside it has changed"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def parse_here(make):
    with make.parsing_here():
        yield


@pytest.mark.parametrize("case", BROKEN)
def test_broken_input_is_refused_with_the_reason(case, tmp_path, make):
    build, message = BROKEN[case]
    with pytest.raises(DataError, match=re.compile(message, re.DOTALL)):
        load_dataset(build(tmp_path, make), limits=Limits(memory_bytes=4_000_000) if case == "zip bomb" else Limits())
    leftover = [path.name for path in tmp_path.rglob("*+*.safetensors")]
    assert not leftover, "what fails a check must not be converted"


ARGUMENTS = {
    "scale": ("digits", {"scale": "zscore"}, "expected 'minmax' or 'none'"),
    "features of a name": ("digits", {"features": "res101"}, "chooses within a directory, and digits is none"),
    "dial of digits": ("digits:classes=3", {}, "digits has no dials"),
    "unknown dial": ("synthetic:clases=3", {}, "found 'clases=3'; did you mean 'classes'"),
    "dial without value": ("synthetic:classes", {}, "expected DIAL=NUMBER, found 'classes'"),
    "dial twice": ("synthetic:dim=3,dim=4", {}, "dim is given twice"),
    "dial of the wrong type": ("synthetic:dim=3.5", {}, "dim is '3.5', expected a whole number"),
    "dial text": ("synthetic:shift=much", {}, "shift is 'much', expected a number"),
    "shift out of range": ("synthetic:shift=2", {}, "shift is 2.0, expected 0 to 1"),
    "no seen classes": ("synthetic:classes=4,unseen=4", {}, "num_unseen is 4, expected 1 to 3"),
    "infinite noise": ("synthetic:noise=inf", {}, "semantic_noise is inf, expected 0 or more"),
    "NaN noise": ("synthetic:noise=nan", {}, "semantic_noise is nan, expected 0 or more"),
}


@pytest.mark.parametrize("options", [{}, {"features": "res101"}, {"split": "att_splits"}, {"semantics": "other"}])
def test_a_folder_that_is_not_there_is_said_whatever_is_to_be_chosen_in_it(options):
    with pytest.raises(DataError, match=r"^data/CUB: no such file or directory, and no dataset has that name"):
        load_dataset("data/CUB", **options)


def test_a_path_is_no_misspelt_name():
    with pytest.raises(
        DataError, match=r"^\./digits: no such file or directory; the dataset of that name is 'digits'$"
    ):
        load_dataset("./digits")
    with pytest.raises(DataError, match=r"digts: no such file or directory, and no dataset .*did you mean 'digits'"):
        load_dataset("digts")


@pytest.mark.parametrize("case", ARGUMENTS)
def test_wrong_arguments_are_refused_with_the_reason(case):
    name, options, message = ARGUMENTS[case]
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "res11"}, "no features file res11.mat; did you mean 'res101'"),
        ({"split": "sent_splits"}, "no split file sent_splits.mat"),
        ({"semantics": "w2v"}, "att_splits.mat: no variable 'w2v'"),
        ({"limits": Limits(file_bytes=100)}, "res101.mat: has .* bytes, more than the limit of 100"),
        ({"cache": "/dev/null/cache"}, "cannot be written .*cache="),
    ],
)
def test_wrong_choices_within_a_directory_are_refused(options, message, tmp_path, make):
    with pytest.raises(DataError, match=message):
        load_dataset(make.mat(tmp_path / "sound"), **options)


def test_missing_marks_are_refused_only_where_they_are_used(tmp_path, make):
    marked = make.matlab_arrays()["original_att"]
    marked[0, 1] = -1
    directory = make.mat(tmp_path / "marked", original_att=marked)
    with pytest.raises(DataError, match=r"original_att has 1 entries of −1, the mark of a missing value; use .*'att'"):
        load_dataset(directory, semantics="original_att")
    assert load_dataset(directory).provenance["semantics"] == "att"


def test_unreadable_file_is_refused(tmp_path, make, monkeypatch):
    path = make.npz(tmp_path / "a.npz")
    usual = Path.open

    def refuse(self, *args, **kwargs):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return usual(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a.npz: cannot be read \(Permission denied\); check its permissions"):
        load_dataset(path)
