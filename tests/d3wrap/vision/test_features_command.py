"""``d3wrap features`` from the command line to a dataset that other commands take."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

import d3wrap
from d3wrap.cli import main
from d3wrap.cli.features import extract as extract_command
from d3wrap.cli.features import join as join_command
from d3wrap.distilling.images import images_of
from d3wrap.errors import ConfigError, DataError, MissingExtraError
from d3wrap.vision import extraction
from d3wrap.vision.features import extract_features
from d3wrap.vision.features_file import read_features
from d3wrap.vision.images import ImageSource, load_images
from d3wrap.vision.importing import import_extra
from d3wrap.vision.loading import ModelOptions, load_image_model
from d3wrap.vision.preprocessing import Wishes
from d3wrap.vision.record import image_names, read_record


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch):
    monkeypatch.setattr(extraction, "PART", 4)


@pytest.fixture
def typed(zoo, torchscript, tmp_path):
    """A function that runs ``d3wrap features extract`` on the zoo, with more options."""

    def run(*more, images=zoo, out="zoo.safetensors"):
        arguments = ["--images", images, "--model", f"torchscript:{torchscript}", "--trust", "--size", "8"]
        arguments += ["--batch-size", "4", "--device", "cpu", "--out", tmp_path / out, *more]
        return CliRunner().invoke(main, ["features", "extract", *map(str, arguments)])

    return run


@pytest.fixture
def as_dataset(zoo_semantics):
    return ["--semantics", str(zoo_semantics), "--unseen", "dog"]


def expected(zoo, torchscript):
    """The features of the zoo, one image at a time."""
    model = load_image_model(f"torchscript:{torchscript}", ModelOptions(trust=True, wishes=Wishes(size=8)))
    source = ImageSource(zoo)
    with torch.inference_mode():
        return torch.cat([model.features(model.preprocessing(source.open(name))[None]) for name in source.names])


def test_folders_become_a_dataset(typed, zoo, torchscript, tmp_path, as_dataset):
    done = typed(*as_dataset)
    assert done.exit_code == 0, done.output
    assert "15 features of width 4, 2 seen and 1 unseen classes, 8 + 2 + 5 rows" in done.output
    data = d3wrap.load_dataset(tmp_path / "zoo.safetensors", scale="none")
    torch.testing.assert_close(data.features, expected(zoo, torchscript), rtol=1e-5, atol=1e-6)
    assert data.name == "zoo"
    assert data.class_names == ("Emu", "Dog", "CAT")
    assert image_names(tmp_path / "zoo.safetensors") == ImageSource(zoo).names
    assert not (tmp_path / "zoo.safetensors.parts").exists()
    checked = CliRunner().invoke(main, ["data", "check", str(tmp_path / "zoo.safetensors")])
    assert "checks passed" in checked.output


def test_a_zip_file_gives_the_same_bits_as_its_folder(typed, zoo, tmp_path, as_dataset):
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w") as archive:
        for path in zoo.rglob("*.png"):
            archive.write(path, path.relative_to(zoo))
    typed(*as_dataset)
    assert typed(*as_dataset, images=tmp_path / "zoo.zip", out="zip.safetensors").exit_code == 0
    folder, archive = (d3wrap.load_dataset(tmp_path / f"{name}.safetensors") for name in ("zoo", "zip"))
    assert torch.equal(folder.features, archive.features)
    records = [read_record(tmp_path / f"{name}.safetensors") for name in ("zoo", "zip")]
    assert records[0].images_sha256() == records[1].images_sha256()


def test_the_same_command_writes_the_same_file(typed, tmp_path, as_dataset):
    typed(*as_dataset)
    before = (tmp_path / "zoo.safetensors").read_bytes()
    assert typed(*as_dataset, "--overwrite").exit_code == 0
    assert (tmp_path / "zoo.safetensors").read_bytes() == before


def test_where_the_numbers_came_from_is_in_the_dataset(typed, zoo, torchscript, tmp_path, as_dataset):
    typed(*as_dataset)
    data = d3wrap.load_dataset(tmp_path / "zoo.safetensors")
    record = read_record(tmp_path / "zoo.safetensors")
    from d3wrap.files import sha256_of

    assert data.provenance["features"] == "torchscript:small.ts"
    assert sha256_of(torchscript) in data.provenance["weights"]
    assert json.loads(data.provenance["preprocessing"])["size"] == [8, 8]
    assert f"torch {torch.__version__.partition('+')[0]}" in data.provenance["versions"]
    assert data.provenance["computed"].startswith("device cpu, precision exact, threads ")
    assert record.images_sha256() in data.provenance["images"]
    assert record.digests[0] == sha256_of(zoo / record.images[0])
    assert record.settings["weights"]["sha256"] == sha256_of(torchscript)


def test_features_alone_are_joined_later(typed, tmp_path, as_dataset, zoo_semantics):
    typed(*as_dataset)
    done = typed(out="zoo.npz")
    assert done.exit_code == 0, done.output
    assert "next: d3wrap features join" in done.output
    with np.load(tmp_path / "zoo.npz", allow_pickle=False) as file:
        assert file["features"].shape == (15, 4)
        assert file["image_names"][0] == "cat/cat1.png"
    join = ["features", "join", str(tmp_path / "zoo.npz"), "--out", str(tmp_path / "joined.safetensors")]
    done = CliRunner().invoke(main, [*join, *as_dataset])
    assert done.exit_code == 0, done.output
    one, other = (d3wrap.load_dataset(tmp_path / f"{name}.safetensors") for name in ("zoo", "joined"))
    for name in ("features", "labels", "semantics", "train", "test_seen", "test_unseen"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert one.provenance == other.provenance
    refused = CliRunner().invoke(main, [*join, "--overwrite"])
    assert refused.exit_code == 2
    assert "say which classes the images are of" in refused.output
    with pytest.raises(DataError, match=r"zoo\.npz: holds features alone.*d3wrap features join"):
        d3wrap.load_dataset(tmp_path / "zoo.npz")


def test_a_dataset_is_not_joined_again(typed, tmp_path, as_dataset):
    typed(*as_dataset)
    command = ["features", "join", str(tmp_path / "zoo.safetensors"), "--out", str(tmp_path / "two.safetensors")]
    done = CliRunner().invoke(main, [*command, *as_dataset])
    assert done.exit_code == 1
    assert "zoo.safetensors: is no .npz file; expected one of `d3wrap features extract" in done.output
    assert "pickle" not in done.output


def test_join_speaks_of_a_dataset_alone():
    said = " ".join(CliRunner().invoke(main, ["features", "join", "--help"]).output.split())
    assert "Dataset to write, ending in .safetensors." in said
    assert "parts" not in said


def test_random_weights_are_said_aloud(zoo, tmp_path):
    try:
        import_extra("timm", "timm", "timm", "the test")
    except MissingExtraError as error:
        pytest.skip(str(error))
    arguments = ["--images", zoo, "--model", "timm:test_resnet", "--random-weights", "5", "--size", "32"]
    done = CliRunner().invoke(main, ["features", "extract", *map(str, arguments), "--out", str(tmp_path / "z.npz")])
    assert done.exit_code == 0, done.output
    assert "Warning: these weights are random" in done.output
    assert read_record(tmp_path / "z.npz").settings["weights"]["from"] == "random, seed 5"


def test_distillation_finds_the_image_of_each_row(typed, zoo, zoo_semantics, tmp_path):
    names = [f"{name}/{name}{index}.png" for index in (2, 1, 3) for name in ("emu", "cat")]
    splits = ["test_unseen", "train", "test_unseen", "test_seen", "test_unseen", "train"]
    lines = [f"{name},{name[:3]},{split}\n" for name, split in zip(names, splits, strict=True)]
    (tmp_path / "r.csv").write_text("image,class,split\n" + "".join(lines))
    assert typed("--semantics", zoo_semantics, "--rows", tmp_path / "r.csv").exit_code == 0
    found = images_of(zoo, str(tmp_path / "zoo.safetensors"), 6, size=6)
    assert torch.equal(found, load_images(zoo, names, size=6))


# --- broken images -------------------------------------------------------------------------------------------------


def test_broken_images_stop_it_at_the_end_and_are_skipped_if_asked(typed, zoo, torchscript, tmp_path, as_dataset):
    for name in ("cat/cat2.png", "dog/dog5.png"):
        (zoo / name).write_bytes(b"")
    done = typed(*as_dataset)
    assert done.exit_code == 1
    assert "2 of 15 images are broken:\n  cat/cat2.png: is empty (0 bytes)\n  dog/dog5.png: is empty" in done.output
    assert "add --skip-broken" in done.output
    assert not (tmp_path / "zoo.safetensors").exists()
    listed = (tmp_path / "zoo.safetensors.parts" / "broken.txt").read_text().splitlines()
    assert len(listed) == 2
    done = typed(*as_dataset, "--skip-broken")
    assert done.exit_code == 0, done.output
    assert "2 broken images left out: cat/cat2.png, dog/dog5.png" in done.output
    data = d3wrap.load_dataset(tmp_path / "zoo.safetensors", scale="none")
    names = image_names(tmp_path / "zoo.safetensors")
    sound = [row for row, name in enumerate(ImageSource(zoo).names) if name in names]
    assert len(names) == 13
    torch.testing.assert_close(data.features, _rows(zoo, torchscript, sound), rtol=1e-5, atol=1e-6)
    assert [data.class_names[i].lower() for i in data.labels.tolist()] == [name.split("/")[0] for name in names]
    assert {names[row].split("/")[0] for row in data.test_unseen.tolist()} == {"dog"}
    assert data.provenance["left out"] == "2 broken images: cat/cat2.png, dog/dog5.png"


def test_where_a_key_stops_extraction_it_says_how_to_go_on(typed, as_dataset, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("d3wrap.cli.features.extract_features", stop)
    done = typed(*as_dataset)
    assert done.exit_code == 130
    assert "stopped; the same command goes on\n" in done.output


def test_one_broken_image_is_one(typed, zoo, as_dataset):
    (zoo / "cat/cat2.png").write_bytes(b"")
    assert "1 of 15 images is broken" in typed(*as_dataset).output
    assert "1 broken image left out: cat/cat2.png\n" in typed(*as_dataset, "--skip-broken").output


def _rows(zoo, torchscript, rows):
    model = load_image_model(f"torchscript:{torchscript}", ModelOptions(trust=True, wishes=Wishes(size=8)))
    source = ImageSource(zoo)
    with torch.inference_mode():
        return torch.cat([model.features(model.preprocessing(source.open(source.names[row]))[None]) for row in rows])


def test_images_that_were_broken_are_left_out_of_a_join(typed, zoo, tmp_path, as_dataset):
    (zoo / "dog" / "dog5.png").write_bytes(b"")
    typed("--skip-broken", out="zoo.npz")
    rows = ["image,class,split", "emu1.png,emu,test_unseen", "dog5.png,dog,train", "dog1.png,dog,train"]
    rows += ["dog2.png,dog,test_seen"]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    join = ["features", "join", str(tmp_path / "zoo.npz"), "--out", str(tmp_path / "j.safetensors")]
    done = CliRunner().invoke(main, [*join, *as_dataset[:2], "--rows", str(tmp_path / "r.csv")])
    assert done.exit_code == 0, done.output
    assert image_names(tmp_path / "j.safetensors") == ("emu/emu1.png", "dog/dog1.png", "dog/dog2.png")
    data = d3wrap.load_dataset(tmp_path / "j.safetensors", scale="none")
    alone, record = read_features(tmp_path / "zoo.npz")
    for row, name in enumerate(image_names(tmp_path / "j.safetensors")):
        assert torch.equal(data.features[row], alone[record.images.index(name)])


# --- going on ------------------------------------------------------------------------------------------------------


def test_a_killed_command_goes_on_to_the_same_file(typed, zoo, torchscript, tmp_path, as_dataset):
    typed(*as_dataset, out="whole.safetensors")
    child = os.fork()
    if child == 0:
        write = extraction.Parts.write

        def write_and_die(self, start, part):
            write(self, start, part)
            if start >= 4:
                os.kill(os.getpid(), signal.SIGKILL)

        extraction.Parts.write = write_and_die
        typed(*as_dataset)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list((tmp_path / "zoo.safetensors.parts").glob("part-*"))) == 2
    refused = typed(*as_dataset, "--mean", "0.5")
    assert refused.exit_code == 2
    assert "preprocessing.mean is [0.485, 0.456, 0.406] there and [0.5, 0.5, 0.5] now" in refused.output
    done = typed(*as_dataset)
    assert done.exit_code == 0, done.output
    assert "going on with what" in done.output
    whole, resumed = (d3wrap.load_dataset(tmp_path / f"{name}.safetensors") for name in ("whole", "zoo"))
    assert torch.equal(whole.features, resumed.features)
    assert read_record(tmp_path / "whole.safetensors") == read_record(tmp_path / "zoo.safetensors")


def test_going_on_with_other_images_is_refused(typed, zoo, tmp_path, as_dataset, picture):
    (zoo / "cat" / "cat2.png").write_bytes(b"")
    assert typed(*as_dataset).exit_code == 1
    (zoo / "cat" / "cat2.png").unlink()
    refused = typed(*as_dataset)
    assert refused.exit_code == 2
    assert "images.count is 15 there and 14 now" in refused.output
    assert typed(*as_dataset, "--overwrite").exit_code == 0


def test_two_processes_do_not_work_on_one_file(typed, zoo, tmp_path, as_dataset, flat_model, monkeypatch):
    from d3wrap.comparison import run_lock

    monkeypatch.setattr(run_lock, "PATIENCE", 0.0)
    out = tmp_path / "zoo.npz"
    model = flat_model()
    caught = []

    def second(done, total):
        if done == 4:
            with pytest.raises(DataError, match="is at work on this run") as error:
                extract_features(zoo, model, out, pace=extraction.Pace(4))
            caught.append(error)

    extract_features(zoo, model, out, pace=extraction.Pace(4), on_done=second)
    assert caught
    assert out.exists()


# --- what is refused -----------------------------------------------------------------------------------------------


def test_out_must_end_as_what_it_holds_and_not_be_there(typed, tmp_path, as_dataset):
    assert "must end in .safetensors, as a dataset does" in typed(*as_dataset, out="zoo.npz").output
    assert "must end in .npz, as features alone do; for a dataset say" in typed().output
    (tmp_path / "zoo.npz").write_bytes(b"mine")
    refused = typed(out="zoo.npz")
    assert refused.exit_code == 2
    assert "is there already: choose another file, or add --overwrite" in refused.output
    assert (tmp_path / "zoo.npz").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mean", "a"], "expected a number, or three with commas, found 'a'"),
        (["--semantics", "att"], "--semantics att is a variable of a split file: add --split"),
        (["--precision", "bf16", "--random-weights", "1"], "--random-weights says nothing about torchscript"),
        (["--device", "tpu"], "device: expected auto, cpu or cuda"),
    ],
)
def test_options_that_make_no_sense_are_refused(typed, more, message):
    done = typed(*more, out="zoo.npz")
    assert done.exit_code == 2
    assert message in done.output


def test_unseen_classes_can_be_named_in_a_file(typed, tmp_path, zoo_semantics):
    (tmp_path / "unseen.txt").write_text("dog\n\nemu\n")
    done = typed("--semantics", zoo_semantics, "--unseen", tmp_path / "unseen.txt")
    assert done.exit_code == 0, done.output
    assert d3wrap.load_dataset(tmp_path / "zoo.safetensors").unseen.tolist() == [0, 1]
    (tmp_path / "unseen.txt").write_bytes(b"\xff\xfe")
    assert "cannot be read as UTF-8" in typed("--semantics", zoo_semantics, "--unseen", tmp_path / "unseen.txt").output


def test_bf16_is_another_number_and_recorded(typed, tmp_path):
    typed(out="exact.npz")
    assert typed("--precision", "bf16", "--threads", "1", out="bf16.npz").exit_code == 0
    (exact, _), (coarse, record) = (read_features(tmp_path / f"{name}.npz") for name in ("exact", "bf16"))
    assert coarse.dtype == torch.float32
    assert not torch.equal(exact, coarse)
    torch.testing.assert_close(exact, coarse, rtol=0.05, atol=0.02)
    assert record.settings["precision"] == "bf16"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda arrays: arrays.pop("features"), "has no array 'features"),
        (lambda arrays: arrays.update(features=np.zeros((2, 4), np.float32)), "expected float32 and 15 rows"),
        (lambda arrays: arrays.update(features=np.zeros((15, 4))), "features is float64"),
        (lambda arrays: arrays.update(extraction=np.array("{}")), "its record of an extraction cannot be read"),
        (lambda arrays: arrays.update(features=np.array([None])), "cannot be read as .npz"),
    ],
)
def test_a_file_of_features_that_is_none_is_refused(typed, tmp_path, damage, message):
    typed(out="zoo.npz")
    with np.load(tmp_path / "zoo.npz") as file:
        arrays = dict(file)
    damage(arrays)
    np.savez(tmp_path / "zoo.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "zoo.npz")


def test_files_that_extraction_did_not_make_have_no_image_names(tmp_path, zoo_semantics):
    from d3wrap.data.converted import write_converted

    write_converted(d3wrap.synthetic(6, 2, 7, 4, 10), tmp_path / "a.safetensors")
    assert image_names(tmp_path / "a.safetensors") is None
    assert image_names(zoo_semantics) is None
    (tmp_path / "b.safetensors").write_bytes(b"nonsense")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04nonsense")
    for name in ("b.safetensors", "b.npz"):
        with pytest.raises(DataError, match=name):
            read_record(tmp_path / name)


def test_a_class_that_loses_all_its_images_is_said(zoo, tmp_path, typed, as_dataset):
    for path in (zoo / "emu").iterdir():
        path.write_bytes(b"")
    done = typed(*as_dataset, "--skip-broken")
    assert done.exit_code == 1
    assert "seen is not the sorted set of classes" in done.output or "Emu" in done.output


def test_python_gets_what_the_command_line_gets(zoo, tmp_path, flat_model):
    done = []
    record = extract_features(zoo, flat_model(), tmp_path / "a.npz", on_done=lambda *told: done.append(told))
    assert done[-1] == (15, 15)
    assert record == read_record(tmp_path / "a.npz")
    with pytest.raises(ConfigError, match="batch size is 32: add --batch-size 4"):
        extract_features(zoo, flat_model(batch_size=4), tmp_path / "b.npz")
    assert not (tmp_path / "b.npz.parts").exists()


# --- the page ------------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[3] / "docs" / "features.md"


@pytest.mark.parametrize("command", [extract_command, join_command], ids=lambda command: command.name)
def test_the_page_names_every_option(command):
    text = PAGE.read_text(encoding="utf-8")
    options = {name for option in command.params for name in option.opts if name.startswith("--")}
    assert {name for name in options if f"`{name}" not in text} == set()


def test_the_page_names_only_options_that_exist():
    text = PAGE.read_text(encoding="utf-8")
    known = {name for one in (extract_command, join_command) for option in one.params for name in option.opts}
    known |= {"--data", "--teacher-features", "--extra-index-url", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known == set()


def test_the_python_of_the_page_runs(zoo, zoo_semantics, tmp_path, monkeypatch):
    try:
        import_extra("timm", "timm", "timm", "the test")
    except MissingExtraError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(tmp_path)
    zoo_semantics.rename("classes.npz")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for path in zoo.rglob("*.png"):
            archive.write(path, path.relative_to(zoo))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code.replace("timm:resnet18", "timm:test_resnet"), "features.md", "exec"), names)
    assert names["pixels"].shape == (15, 3, 64, 64)
    assert len(d3wrap.load_dataset("mine.safetensors").unseen) == 2


def test_the_file_holds_the_tensors_of_any_dataset(typed, tmp_path, as_dataset):
    typed(*as_dataset)
    with safe_open(tmp_path / "zoo.safetensors", framework="pt") as file:
        assert set(file.keys()) == {
            "features", "labels", "semantics", "seen", "unseen", "train", "test_seen", "test_unseen",
        }  # fmt: skip
        assert set(file.metadata()) == {"d3wrap"}
    assert inspect.getdoc(extract_features)
