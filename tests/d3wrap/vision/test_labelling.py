"""Images become datasets: by a benchmark's files, by tables and by folders, and never by a wrong match."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from d3wrap.data.semantics_file import ClassSemantics, write_semantics
from d3wrap.errors import ConfigError, DataError
from d3wrap.vision.class_table import read_class_table
from d3wrap.vision.images import ImageSource
from d3wrap.vision.labelling import LabelOptions, label
from d3wrap.vision.matching import match_images
from d3wrap.vision.rows_file import read_rows

# --- paths to images ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "names", "places"),
    [
        (["/data/x/b.jpg", "/data/x/a.jpg"], ["a.jpg", "b.jpg", "c.jpg"], [1, 0]),
        (["C:\\x\\b.jpg"], ["a.jpg", "b.jpg"], [1]),
        (["b.jpg"], ["images/a.jpg", "images/b.jpg"], [1]),
        (["/data/2/1.jpg", "/data/1/1.jpg"], ["1/1.jpg", "2/1.jpg"], [1, 0]),
        (["/data/1/1.jpg"], ["top/1/1.jpg", "top/2/1.jpg"], [0]),
        (["/x/a/1/1.jpg", "/x/b/1/1.jpg"], ["b/1/1.jpg", "a/1/1.jpg"], [1, 0]),
    ],
)
def test_paths_are_matched_by_as_much_of_their_end_as_it_takes(paths, names, places):
    assert match_images(paths, names, "IMAGES", "ROWS") == places


@pytest.mark.parametrize(
    ("paths", "names", "message"),
    [
        (["x.jpg", "a.jpg"], ["a.jpg"], r"IMAGES: 1 of the 2 images that ROWS lists are not there: 'x.jpg'"),
        (["a.jpg", "a.jpg"], ["a.jpg", "b.jpg"], "ROWS: lists images more than once: 'a.jpg'"),
        # two folders have one 1.jpg each, so the folder counts, and the path has none
        (["1.jpg"], ["a/1.jpg", "b/1.jpg"], "not there"),
        (["a/1.jpg", "c/1.jpg"], ["a/1.jpg", "b/1.jpg"], r"1 of the 2 .* 'c/1.jpg'"),
    ],
)
def test_paths_that_mean_no_image_or_the_same_are_refused(paths, names, message):
    with pytest.raises(DataError, match=message):
        match_images(paths, names, "IMAGES", "ROWS")


# --- tables --------------------------------------------------------------------------------------------------------


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read(tmp_path):
    rows = read_rows(table(tmp_path / "r.csv", '\ufeffimage,class,split\n"a, b.jpg",cat,train\n\nc.jpg, dog ,\n'))
    assert rows.images == ("a, b.jpg", "c.jpg")
    assert rows.classes == ("cat", "dog")
    assert rows.splits == ("train", "")
    assert read_rows(table(tmp_path / "r.csv", "image,class\na,1\n")).splits is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,klass\na,1\n", r"begins with 'image,klass', expected image,class or image,class,split"),
        ("image,class\n", "and rows"),
        ("image,class\na,1,train\n", "row 2 is 'a,1,train', expected image,class"),
        ("image,class\na,\n", "row 2 is 'a,'"),
        ("image,class,split\na,1,trial\n", "row 2 is in split 'trial', expected train, test_seen, test_unseen"),
        ('image,class\n"a,1\n', "cannot be read as a table"),
        ("", "is empty"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_rows(table(tmp_path / "r.csv", text))


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a feature file of a benchmark \(.mat\) or a table"):
        read_rows(tmp_path / "rows.txt")


def test_ids_are_told_from_names(tmp_path):
    ids = read_rows(table(tmp_path / "r.csv", "image,class\na,3\nb,1\n")).class_ids("r")
    assert ids.tolist() == [3, 1]
    assert read_rows(table(tmp_path / "r.csv", "image,class\na,x\n")).class_ids("r") is None
    with pytest.raises(DataError, match="row 2 is of class 'x' and others of a number"):
        read_rows(table(tmp_path / "r.csv", "image,class\na,3\nb,x\n")).class_ids("r")
    with pytest.raises(DataError, match="class id 0, expected ids from 1"):
        read_rows(table(tmp_path / "r.csv", "image,class\na,0\n")).class_ids("r")


# --- folders -------------------------------------------------------------------------------------------------------


def labelled(zoo, **options):
    return label(ImageSource(zoo).names, LabelOptions(**options), str(zoo), "zoo")


def test_an_unseen_class_that_is_misspelt_is_told_the_nearest(zoo, zoo_semantics):
    with pytest.raises(ConfigError, match=r"called 'Dogs'; did you mean 'Dog'\? \(known: CAT, Dog, Emu\)"):
        labelled(zoo, semantics=str(zoo_semantics), unseen=("Dogs", "emu"))
    with pytest.raises(ConfigError, match=r"called 'ox', 'yak' \(known: Emu, Dog, CAT\)"):
        labelled(zoo, semantics=str(zoo_semantics), unseen=("ox", "yak"))


def test_folders_name_the_classes(zoo, zoo_semantics):
    found = labelled(zoo, semantics=str(zoo_semantics), unseen=("dog",))
    data = found.dataset
    assert found.images == ImageSource(zoo).names
    assert data.class_names == ("Emu", "Dog", "CAT")
    assert [data.class_names[i] for i in data.labels.tolist()] == ["CAT"] * 6 + ["Dog"] * 5 + ["Emu"] * 4
    assert torch.equal(data.semantics, (torch.eye(4, 6) + 1)[[0, 2, 3]])
    assert data.unseen.tolist() == [1]
    assert data.seen.tolist() == [0, 2]
    assert data.test_unseen.tolist() == [6, 7, 8, 9, 10]
    assert sorted([*data.train.tolist(), *data.test_seen.tolist()]) == [*range(6), *range(11, 15)]
    assert data.labels[data.test_seen].bincount().tolist() == [1, 0, 1]
    assert found.notes == ("semantics.npz: 1 classes without images left out: 'yak'",)


def test_the_split_is_drawn_by_its_seed_alone(zoo, zoo_semantics):
    def drawn(seed):
        data = labelled(zoo, semantics=str(zoo_semantics), unseen_count=1, split_seed=seed).dataset
        return data.unseen.tolist(), data.train.tolist()

    assert drawn(1) == drawn(1)
    assert len({str(drawn(seed)) for seed in range(6)}) > 1
    assert {drawn(seed)[0][0] for seed in range(12)} == {0, 1, 2}


def test_what_is_held_out_is_drawn_by_the_seed_too(zoo, zoo_semantics):
    held = [
        labelled(zoo, semantics=str(zoo_semantics), unseen=("dog",), split_seed=seed).dataset.test_seen.tolist()
        for seed in (0, 0, 1, 2, 3, 4)
    ]
    assert held[0] == held[1]
    assert len(set(map(tuple, held))) > 1


def test_of_folders_in_folders_the_last_names_the_class(zoo, zoo_semantics, tmp_path):
    (tmp_path / "all" / "photos").mkdir(parents=True)
    zoo.rename(tmp_path / "all" / "photos" / "zoo")
    data = labelled(tmp_path / "all", semantics=str(zoo_semantics), unseen=("dog",)).dataset
    assert [data.class_names[i] for i in data.labels.tolist()] == ["CAT"] * 6 + ["Dog"] * 5 + ["Emu"] * 4


def test_the_share_that_is_held_out_can_be_chosen(zoo, zoo_semantics):
    data = labelled(zoo, semantics=str(zoo_semantics), unseen=("emu",), test_share=0.5).dataset
    assert data.labels[data.test_seen].bincount().tolist() == [0, 2, 3]
    assert data.provenance["split"] == "50% of each seen class held out, seed 0"


def test_a_table_names_classes_and_splits(zoo, zoo_semantics, tmp_path):
    rows = [("emu2.png", "emu", "test_unseen"), ("cat3.png", "Cat", "train"), ("cat1.png", "cat", "test_seen")]
    rows += [("cat5.png", "cat", "")]
    text = "image,class,split\n" + "".join(f"{','.join(row)}\n" for row in rows)
    found = labelled(zoo, semantics=str(zoo_semantics), rows=table(tmp_path / "r.csv", text))
    data = found.dataset
    assert found.images == ("emu/emu2.png", "cat/cat3.png", "cat/cat1.png", "cat/cat5.png")
    assert [data.class_names[i] for i in data.labels.tolist()] == ["Emu", "CAT", "CAT", "CAT"]
    assert (data.train.tolist(), data.test_seen.tolist(), data.test_unseen.tolist()) == ([1], [2], [0])
    assert data.provenance["split"] == "r.csv"
    with pytest.raises(ConfigError, match="says how images are split"):
        labelled(zoo, semantics=str(zoo_semantics), rows=tmp_path / "r.csv", unseen=("emu",))


def test_images_in_no_folder_have_no_class(tmp_path, picture, zoo_semantics):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(picture(0))
    with pytest.raises(DataError, match=r"'a.png' and 0 more images are in no folder.*expected CLASS/img.jpg"):
        labelled(tmp_path / "flat", semantics=str(zoo_semantics), unseen=("dog",))


def test_folders_that_nothing_describes_are_said(zoo, zoo_semantics, picture):
    (zoo / "gnu").mkdir()
    (zoo / "gnu" / "gnu1.png").write_bytes(picture(0))
    with pytest.raises(DataError, match=r"semantics.npz: describes no class 'gnu', of which .*zoo has images"):
        labelled(zoo, semantics=str(zoo_semantics), unseen=("dog",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--semantics is missing"),
        ({"semantics": "{s}"}, "nothing says which classes are unseen"),
        ({"semantics": "{s}", "unseen": ("gnu",)}, "--unseen: no class with images is called 'gnu'"),
        ({"semantics": "{s}", "unseen": ("cat", "dog", "emu")}, "names every class"),
        ({"semantics": "{s}", "unseen": ("cat",), "unseen_count": 1}, "exclude each other"),
        ({"semantics": "{s}", "unseen_count": 3}, r"--unseen-count is 3, expected 1 … 2"),
        ({"semantics": "{s}", "unseen_count": 1, "class_names": Path("x")}, "--class-names belongs to --split"),
        ({"semantics": "nothing.npz", "unseen_count": 1}, "nothing.npz: no such file"),
        ({"semantics": "{s}", "test_share": 1.0}, "--test-share is 1.0"),
        ({"split": Path("s.mat")}, "--split needs --rows"),
        ({"split": Path("s.mat"), "rows": Path("r.mat"), "unseen": ("x",)}, "leave --unseen and --unseen-count out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(zoo, zoo_semantics, options, message):
    options = {name: str(zoo_semantics) if value == "{s}" else value for name, value in options.items()}
    with pytest.raises(ConfigError, match=message):
        labelled(zoo, **options)


def test_a_class_of_one_image_cannot_be_held_out(zoo, zoo_semantics):
    for index in range(2, 7):
        (zoo / "cat" / f"cat{index}.png").unlink()
    with pytest.raises(DataError, match="class 'CAT' has one image"):
        labelled(zoo, semantics=str(zoo_semantics), unseen=("dog",))


# --- semantics with names ------------------------------------------------------------------------------------------


def test_every_kind_of_file_gives_the_same_table(tmp_path):
    names, matrix = ("cat", "dog"), torch.arange(6.0).view(2, 3)
    write_semantics(ClassSemantics(matrix, names, encoder="made up"), tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", class_names=np.array(names), semantics=matrix.numpy())
    cells = np.array(names, dtype=object)[:, None]
    scipy.io.savemat(tmp_path / "a.mat", {"att": matrix.T.double().numpy(), "allclasses_names": cells})
    for suffix in ("safetensors", "npz", "mat"):
        found = read_class_table(tmp_path / f"a.{suffix}")
        assert found.names == names
        assert torch.equal(found.matrix, matrix)
    assert read_class_table(tmp_path / "a.safetensors").described == "a.safetensors (made up)"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"semantics": np.eye(2)}, "has no array 'class_names"),
        ({"semantics": np.eye(2), "class_names": np.array(["a"])}, r"1 class names and semantics of shape \(2, 2\)"),
        ({"semantics": np.eye(2) * np.nan, "class_names": np.array(["a", "b"])}, "NaN or infinite"),
        ({"semantics": np.eye(2), "class_names": np.array([1, 2])}, "expected class_names as text"),
        ({"semantics": np.eye(2), "class_names": np.array(["a", None])}, "cannot be read as .npz"),
    ],
)
def test_a_table_of_classes_that_is_none_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_class_table(tmp_path / "a.npz")


def test_a_table_without_names_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"att": np.eye(3)})
    with pytest.raises(DataError, match="has no allclasses_names"):
        read_class_table(tmp_path / "a.mat")
    with pytest.raises(DataError, match=r"expected a file of `d3wrap semantics build`, .npz or .mat"):
        read_class_table(tmp_path / "a.csv")


# --- a benchmark's files -------------------------------------------------------------------------------------------


@pytest.fixture
def benchmark(zoo, tmp_path):
    """xlsa17 files of the zoo, their rows in another order than the images'."""
    names = ImageSource(zoo).names
    order = np.random.default_rng(0).permutation(len(names))
    classes = {"cat": 1, "dog": 2, "emu": 3}
    labels = np.array([classes[names[place].split("/")[0]] for place in order])
    images = np.array([f"/elsewhere/zoo/{names[place]}" for place in order], dtype=object)[:, None]
    scipy.io.savemat(tmp_path / "res.mat", {"features": np.zeros((2, 15)), "labels": labels[:, None].astype(float),
                                            "image_files": images})  # fmt: skip
    cats, dogs, emus = (np.flatnonzero(labels == index) + 1 for index in (1, 2, 3))
    arrays = {
        "att": np.arange(12.0).reshape(4, 3),
        "trainval_loc": np.concatenate([cats[2:], dogs[1:]])[:, None],
        "test_seen_loc": np.concatenate([cats[:2], dogs[:1]])[:, None],
        "test_unseen_loc": emus[:, None],
        "train_loc": np.concatenate([cats, dogs[:1]])[:, None],
        "val_loc": dogs[:, None],
        "allclasses_names": np.array(["cat", "dog", "emu"], dtype=object)[:, None],
    }
    scipy.io.savemat(tmp_path / "att_splits.mat", arrays)
    return tmp_path, [names[place] for place in order], labels


def test_a_benchmarks_rows_are_its_images(zoo, benchmark):
    folder, names, labels = benchmark
    found = labelled(zoo, split=folder / "att_splits.mat", rows=folder / "res.mat")
    data = found.dataset
    assert found.images == tuple(names)
    assert data.labels.tolist() == (labels - 1).tolist()
    assert [data.class_names[i] for i in data.labels.tolist()] == [name.split("/")[0] for name in names]
    assert data.unseen.tolist() == [2]
    assert torch.equal(data.semantics, torch.arange(12.0).view(4, 3).T)
    assert set(data.official_train.tolist()) < set(data.train.tolist())
    assert data.provenance["split"] == "att_splits"
    assert {"sha256.att_splits.mat", "sha256.res.mat"} < set(data.provenance)


def test_a_table_can_stand_for_the_feature_file(zoo, benchmark):
    folder, names, labels = benchmark
    text = "image,class\n" + "".join(f"{name},{index}\n" for name, index in zip(names, labels, strict=True))
    by_table = labelled(zoo, split=folder / "att_splits.mat", rows=table(folder / "r.csv", text)).dataset
    by_mat = labelled(zoo, split=folder / "att_splits.mat", rows=folder / "res.mat").dataset
    for name in ("labels", "train", "test_seen", "test_unseen", "official_val"):
        assert torch.equal(getattr(by_table, name), getattr(by_mat, name))
    named = text.replace(",1\n", ",cat\n").replace(",2\n", ",dog\n").replace(",3\n", ",emu\n")
    with pytest.raises(DataError, match="names classes, expected their ids from 1"):
        labelled(zoo, split=folder / "att_splits.mat", rows=table(folder / "r.csv", named))
    with pytest.raises(ConfigError, match="has a column 'split', and --split is given"):
        labelled(zoo, split=folder / "att_splits.mat", rows=table(folder / "r.csv", "image,class,split\na,1,train\n"))


def test_a_file_may_describe_a_benchmarks_classes(zoo, benchmark):
    folder, _, _ = benchmark
    matrix = torch.arange(6.0).view(3, 2)
    write_semantics(ClassSemantics(matrix, ("emu", "cat", "dog"), encoder="x"), folder / "s.safetensors")
    data = labelled(
        zoo, split=folder / "att_splits.mat", rows=folder / "res.mat", semantics=str(folder / "s.safetensors")
    ).dataset
    assert torch.equal(data.semantics, matrix[[1, 2, 0]])


def test_images_a_benchmark_lacks_are_said(zoo, benchmark):
    folder, _, _ = benchmark
    (zoo / "dog" / "dog1.png").unlink()
    with pytest.raises(DataError, match=r"zoo: 1 of the 15 images that .*res.mat lists are not there"):
        labelled(zoo, split=folder / "att_splits.mat", rows=folder / "res.mat")


def test_a_feature_file_must_name_its_images(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"labels": np.ones((3, 1))})
    with pytest.raises(DataError, match="has no image_files"):
        read_rows(tmp_path / "a.mat")
    files = np.array(["a", "b"], dtype=object)[:, None]
    scipy.io.savemat(tmp_path / "a.mat", {"labels": np.ones((3, 1)), "image_files": files})
    with pytest.raises(DataError, match="has 2 image_files and 3 labels"):
        read_rows(tmp_path / "a.mat")
