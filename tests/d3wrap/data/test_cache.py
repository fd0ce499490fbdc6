"""A .mat file is parsed once, and again when it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from d3wrap.data import load_dataset
from d3wrap.data.converted import write_converted
from d3wrap.errors import DataError


@pytest.fixture
def parses(make):
    """Give the list of files that were parsed so far."""
    with make.parsing_here() as parsed:
        yield parsed


def test_second_load_does_not_parse(tmp_path, make, parses):
    directory = make.mat(tmp_path / "data")
    first = load_dataset(directory)
    assert parses == ["res101.mat", "att_splits.mat"]
    second = load_dataset(directory)
    assert len(parses) == 2
    make.same(first, second)
    assert first.provenance == second.provenance
    assert sorted(path.name for path in directory.iterdir()) == [
        "att_splits.mat",
        "res101+att_splits.safetensors",
        "res101.mat",
    ]


@pytest.mark.parametrize("change", ["features", "att", "class_names"])
def test_a_changed_source_is_converted_again(change, tmp_path, make, parses):
    directory = make.mat(tmp_path / "data", allclasses_names=None)
    load_dataset(directory)
    if change == "class_names":
        (directory / "class_names.txt").write_text("a 1\nb 2\nc 3\nd 4\n")
        assert load_dataset(directory).class_names == ("a", "b", "c", "d")
    else:
        make.mat(directory, allclasses_names=None, **{change: make.matlab_arrays()[change] + 1})
        name = "features" if change == "features" else "semantics"
        assert getattr(load_dataset(directory, scale="none"), name).min() >= 1
    assert len(parses) == 4


def test_damaged_conversion_is_made_again(tmp_path, make, parses):
    directory = make.mat(tmp_path / "data")
    first = load_dataset(directory)
    converted = directory / "res101+att_splits.safetensors"
    content = converted.read_bytes()
    converted.unlink()  # first is a memory map of it
    converted.write_bytes(content[:200])
    make.same(load_dataset(directory), first)
    assert len(parses) == 4


def test_a_conversion_is_checked_each_time_it_is_loaded(tmp_path, make, parses):
    directory = make.mat(tmp_path / "data")
    path = directory / "res101+att_splits.safetensors"
    dataset = load_dataset(directory, scale="none")
    write_converted(replace(dataset, test_seen=dataset.train.clone()), path)
    with pytest.raises(DataError, match="train and test_seen share 12 rows"):
        load_dataset(directory)


def test_semantics_features_and_split_have_conversions_of_their_own(tmp_path, make, parses):
    directory = make.mat(
        make.mat(tmp_path / "data"), stem="vgg", split="sent_splits", att=make.matlab_arrays()["att"] * 4
    )
    plain = load_dataset(directory)
    original = load_dataset(directory, semantics="original_att")
    assert original.semantics.max() > 10 > plain.semantics.max()
    other = load_dataset(directory, features="vgg.mat", split="sent_splits")
    assert other.provenance["features"] == "vgg"
    assert other.semantics.equal(plain.semantics * 4)
    assert len(list(directory.glob("*.safetensors"))) == 3


@pytest.mark.parametrize("where", ["argument", "environment", "read-only"])
def test_conversion_goes_to_a_cache(where, tmp_path, make, parses, monkeypatch):
    directory, cache = make.mat(tmp_path / "data"), tmp_path / "cache"
    options = {"cache": cache} if where == "argument" else {}
    if where == "environment":
        monkeypatch.setenv("D3WRAP_CACHE", str(cache))
    if where == "read-only":
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        cache = cache / "d3wrap"
        directory.chmod(0o555)
    try:
        load_dataset(directory, **options)
        load_dataset(directory, **options)
    finally:
        directory.chmod(0o755)
    assert len(parses) == 2
    (written,) = cache.iterdir()
    assert written.name.startswith("data-res101+att_splits-")
    assert sorted(path.name for path in directory.iterdir()) == ["att_splits.mat", "res101.mat"]


def test_datasets_of_one_name_do_not_collide_in_a_cache(tmp_path, make, parses):
    one = make.mat(tmp_path / "one" / "data")
    other = make.mat(tmp_path / "other" / "data", features=make.matlab_arrays()["features"] + 7)
    cache = tmp_path / "cache"
    assert load_dataset(one, cache=cache, scale="none").features.max() < 7
    assert load_dataset(other, cache=cache, scale="none").features.min() >= 7
    assert len(list(cache.iterdir())) == 2


def test_a_failed_check_leaves_nothing_behind(tmp_path, make, parses):
    features = make.matlab_arrays()["features"]
    features[0, 0] = float("nan")
    directory = make.mat(tmp_path / "data", features=features)
    with pytest.raises(DataError, match="NaN"):
        load_dataset(directory)
    assert sorted(path.name for path in directory.iterdir()) == ["att_splits.mat", "res101.mat"]
