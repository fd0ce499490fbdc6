"""What the command line names is opened, and what makes no sense is refused with what to type."""

from __future__ import annotations

import importlib.util
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from d3wrap.data import load_dataset
from d3wrap.data.digits import digits
from d3wrap.data.semantics_file import ClassSemantics, write_semantics
from d3wrap.distilling import opening
from d3wrap.distilling.images import images_of
from d3wrap.distilling.opening import Source, open_data
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.teacher import LiveTeacher
from d3wrap.errors import ConfigError, D3WrapWarning, DataError
from d3wrap.files import sha256_of
from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing

DIGITS = digits()
SMALL = DistillSettings(size=8, crop=8)
PLAIN = DistillSettings(size=8, crop=8, centred=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opening")
    rows = len(DIGITS.labels)
    np.save(folder / "features.npy", np.random.default_rng(0).normal(size=(rows, 6)).astype(np.float32))
    np.save(folder / "few.npy", np.zeros((3, 6), np.float32))
    np.save(folder / "whole.npy", np.zeros((rows, 6), np.int64))
    matrix = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    write_semantics(ClassSemantics(matrix, DIGITS.class_names), folder / "texts.safetensors")
    return folder


def test_digits_are_pictures_for_an_image_student_and_features_for_another():
    data = open_data(Source("digits", {"own": "own"}), SMALL, "cpu")
    assert data.inputs.shape == (1797, 1, 8, 8)
    assert data.inputs.dtype == torch.uint8
    assert data.inputs.max() == 255
    rows = torch.arange(4)
    torch.testing.assert_close(
        data.teacher.features(rows), F.normalize(DIGITS.features[rows] - DIGITS.train_features.mean(0), dim=1)
    )
    plain = open_data(Source("digits", {"own": "own"}), DistillSettings(student="mlp"), "cpu")
    assert torch.equal(plain.inputs, DIGITS.features)


def test_files_of_features_are_mapped_into_memory(files):
    source = Source(
        "digits",
        {"own": "own", "mine": str(files / "texts.safetensors")},
        inputs=str(files / "features.npy"),
        teacher=str(files / "features.npy"),
        captions=str(files / "features.npy"),
    )
    data = open_data(source, DistillSettings(student="mlp"), "cpu")
    stored = torch.from_numpy(np.load(files / "features.npy"))
    assert list(data.texts) == ["own", "mine"]
    assert data.teacher.width == 6
    assert torch.equal(data.inputs, stored)
    torch.testing.assert_close(data.captions, F.normalize(stored, dim=1))
    described = source.described()
    assert set(described["sha256"]) == {"inputs", "teacher", "captions", "text mine"}
    assert "cache" not in described


def test_texts_may_be_in_the_teachers_space_already(files):
    source = Source("digits", {"t": f"direct:{files / 'texts.safetensors'}"}, teacher=str(files / "features.npy"))
    data = open_data(source, PLAIN, "cpu")
    matrix = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(data.texts["t"], F.normalize(matrix, dim=1))
    assert data.teacher.centre is None
    both = Source("digits", {"t": source.texts["t"], "own": "own"}, teacher=str(files / "features.npy"))
    assert list(open_data(both, PLAIN, "cpu").texts) == ["t", "own"]
    assert list(open_data(replace(both, texts=dict(reversed(both.texts.items()))), PLAIN, "cpu").texts) == ["own", "t"]
    with pytest.raises(ConfigError, match="add --set centred=false"):
        open_data(source, SMALL, "cpu")
    with pytest.raises(DataError, match="has no text features of its own"):
        open_data(Source("digits", {"t": "direct:dataset"}), PLAIN, "cpu")


def test_what_a_dataset_has_of_a_teacher_is_the_teachers(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"features": (24, 3), "semantics": (4, 2), "teacher_features": (24, 5), "text_features": (4, 5)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / "d.npz", labels=np.arange(24) % 4, unseen=np.array([3]), **arrays)
    source = Source(str(tmp_path / "d.npz"), {"t": "direct:dataset"})
    data = open_data(source, replace(PLAIN, student="mlp"), "cpu")
    expected = F.normalize(torch.from_numpy(arrays["teacher_features"]), dim=1)
    torch.testing.assert_close(data.teacher.features(torch.arange(24)), expected)
    torch.testing.assert_close(data.texts["t"], F.normalize(torch.from_numpy(arrays["text_features"]), dim=1))
    assert torch.equal(data.inputs, torch.from_numpy(arrays["features"]))


def test_a_part_of_the_training_rows_is_the_part_that_other_commands_take():
    found = [
        open_data(Source("digits", {"own": "own"}, train_fraction=0.3, fraction_seed=seed), SMALL, "cpu")
        for seed in (0, 1)
    ]
    for seed, data in enumerate(found):
        expected = load_dataset("digits", scale="none", train_fraction=0.3, fraction_seed=seed)
        assert torch.equal(data.dataset.train, expected.train)
        assert len(data.dataset.train) < 0.5 * len(DIGITS.train)
    assert not torch.equal(found[0].dataset.train, found[1].dataset.train)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"teacher": "few.npy"}, r"--teacher: found float32 \[3, 6\], expected floating-point numbers of shape \[1797"),
        ({"teacher": "whole.npy"}, r"--teacher: found int64"),
        ({"inputs": "texts.safetensors"}, "--inputs cannot be read"),
        ({"captions": "missing.npy"}, "captions cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_refused(files, given, message):
    given = {name: str(files / value) for name, value in given.items()}
    with pytest.raises(DataError, match=message):
        open_data(Source("digits", {"own": "own"}, **given), SMALL, "cpu")


@pytest.mark.parametrize(
    ("teacher", "message"),
    [("feature", "--teacher: expected 'features'"), ("timm:resnet10t", "needs images in colour: give --images")],
)
def test_teachers_that_make_no_sense_are_refused(teacher, message):
    with pytest.raises(ConfigError, match=message):
        open_data(Source("digits", {"own": "own"}, teacher=teacher), SMALL, "cpu")


def archive(path, names, size=6):
    from PIL import Image

    with zipfile.ZipFile(path, "w") as file:
        for place, name in enumerate(names):
            content = io.BytesIO()
            Image.new("RGB", (size, size), (place, 0, 0)).save(content, "PNG")
            file.writestr(name, content.getvalue())
    return path


def test_images_without_names_are_the_rows_in_order(tmp_path):
    pytest.importorskip("PIL")
    path = archive(tmp_path / "images.zip", ["img10.png", "img2.png", "img1.png"])
    with pytest.warns(D3WrapWarning, match="dataset digits names no images: those of .*images.zip are taken"):
        found = images_of(path, "digits", 3, size=6)
    assert found[:, 0, 0, 0].tolist() == [2, 1, 0]
    with pytest.raises(DataError, match="has 3 images, the dataset 4 rows"):
        images_of(path, "digits", 4, size=6)


def test_images_that_a_benchmark_names_are_found(tmp_path):
    pytest.importorskip("PIL")
    from scipy.io import savemat

    path = archive(tmp_path / "images.zip", ["b.png", "a.png", "c.png"])
    folder = tmp_path / "data"
    folder.mkdir()
    names = np.array([["/home/x/c.png"], ["/home/x/b.png"]], dtype=object)
    savemat(folder / "res101.mat", {"features": np.zeros((2, 2)), "labels": np.ones((2, 1)), "image_files": names})
    savemat(folder / "att_splits.mat", {"att": np.zeros((2, 2))})
    found = images_of(path, str(folder), 2, size=6)
    assert found[:, 0, 0, 0].tolist() == [2, 0]
    for name in ("att", "proposed"):  # two splits, neither of the usual name
        savemat(folder / f"{name}_splits.mat", {"att": np.zeros((2, 2))})
    (folder / "att_splits.mat").rename(folder / "other_splits.mat")
    chosen = images_of(path, str(folder), 2, split="other_splits", size=6)
    assert torch.equal(chosen, found)


@pytest.fixture
def few(tmp_path):
    """A dataset of 24 rows and an image for each, in the folder that is returned."""
    pytest.importorskip("PIL")
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 4
    np.savez(
        tmp_path / "few.npz",
        features=rng.normal(size=(24, 3)).astype(np.float32),
        labels=labels,
        semantics=rng.normal(size=(4, 2)).astype(np.float32),
        unseen=np.array([3]),
    )
    archive(tmp_path / "images.zip", [f"{place:04}.png" for place in range(24)], size=4)
    return tmp_path


def test_images_are_decoded_once_and_their_archive_is_part_of_the_description(few):
    source = Source(str(few / "few.npz"), {"own": "own"}, images=str(few / "images.zip"), cache=str(few / "pixels"))
    data = open_data(source, DistillSettings(size=4, crop=4), "cpu")
    assert data.inputs.shape == (24, 3, 4, 4)
    assert data.inputs[:, 0, 0, 0].tolist() == list(range(24))
    assert len(list((few / "pixels").iterdir())) == 1
    assert set(source.described()["sha256"]) == {"images"}


def test_a_network_can_be_the_teacher_and_looks_at_crops(few):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    source = Source(
        str(few / "few.npz"),
        {"own": "own"},
        images=str(few / "images.zip"),
        teacher="timm:test_resnet",
        teacher_random_weights=0,
    )
    data = open_data(source, DistillSettings(size=4, crop=4), "cpu")
    assert isinstance(data.teacher, LiveTeacher)
    assert data.texts["own"].shape == (4, data.teacher.width)
    assert data.teacher.centre is not None
    plain = open_data(source, DistillSettings(size=4, crop=4, centred=False), "cpu")
    assert plain.teacher.centre is None
    train = data.dataset.train
    raw = plain.teacher.raw(data.whole(train, 4))
    torch.testing.assert_close(data.teacher.centre, raw.mean(0), rtol=1e-4, atol=1e-5)
    others = open_data(replace(source, teacher_random_weights=1), DistillSettings(size=4, crop=4), "cpu")
    assert not torch.allclose(others.teacher.raw(data.whole(train, 4)), raw, rtol=0.1)


def test_images_are_looked_for_as_the_rows_are(monkeypatch):
    """Features and split decide which rows there are, and so which images."""
    given = {}
    monkeypatch.setattr(opening, "images_of", lambda *some, **named: given.update(named, some=some))
    source = Source("FLO", {}, features="mbv2", split="other_splits", images="images.zip", cache="pixels")
    opening._inputs(source, DIGITS, DistillSettings(size=24, crop=20))
    assert given == {
        "some": ("images.zip", "FLO", 1797), "features": "mbv2", "split": "other_splits", "size": 24, "cache": "pixels",
    }  # fmt: skip


def test_every_file_that_a_run_is_made_of_is_described_by_its_content(tmp_path):
    names = ("inputs", "captions", "teacher", "teacher_weights", "images")
    for name in (*names, "a", "b"):
        (tmp_path / name).write_text(name)
    texts = {"one": str(tmp_path / "a"), "two": f"direct:{tmp_path / 'b'}", "own": "own"}
    source = Source("digits", texts, **{name: str(tmp_path / name) for name in names})
    files = {**{name: name for name in names}, "text one": "a", "text two": "b"}
    before = source.described()["sha256"]
    assert before == {name: sha256_of(tmp_path / file) for name, file in files.items()}
    for name, file in files.items():
        (tmp_path / file).write_text("other")
        after = source.described()["sha256"]
        assert {key for key in before if after[key] != before[key]} == {name}
        before = after


def test_networks_that_need_what_only_extraction_can_be_told_are_refused(few, monkeypatch):
    """A TorchScript file would need --trust and --size, which belong to `d3wrap features extract`."""
    (few / "net.ts").write_bytes(b"a program")
    source = Source(str(few / "few.npz"), {"own": "own"}, images=str(few / "images.zip"))
    for teacher in (f"torchscript:{few / 'net.ts'}", f"onnx:{few / 'missing.onnx'}"):
        with pytest.raises(ConfigError, match=r"cannot look at images live .*d3wrap features extract.* as --data"):
            open_data(replace(source, teacher=teacher), SMALL, "cpu")
    both = replace(source, teacher="timm:x", teacher_weights="w.pth", teacher_random_weights=0)
    with pytest.raises(ConfigError, match=r"^--weights and --random-weights exclude each other"):
        open_data(both, SMALL, "cpu")
    fixed = ImageModel("onnx:n", Weights("n", ""), plain_preprocessing(Wishes(), (4, 4)), torch.flatten, {}, "cpu", 4)
    monkeypatch.setattr(opening, "load_image_model", lambda *_: fixed)
    with pytest.raises(ConfigError, match="takes 4 images at once alone: extract its features once"):
        open_data(replace(source, teacher="onnx:n"), SMALL, "cpu")
