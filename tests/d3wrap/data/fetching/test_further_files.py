"""Files that are no archive, and go into the folder of the dataset they belong to."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.data import load_dataset
from d3wrap.data.fetching import SOURCES, find_source
from d3wrap.data.fetching.record import NAME, Record
from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of

FURTHER = [source for source in SOURCES if source.archive.plain]
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def further(server, monkeypatch):
    """Let CUB-sent be a file that the server has; call it with another content."""
    pytest.importorskip("pooch")
    given = []

    def content(value):
        given.append(hashlib.sha256(value).hexdigest())
        server.content = value

    def known(name):
        source = find_source(name)
        archive = replace(source.archive, urls=(server.url,), sha256=given[-1])
        return replace(source, archive=archive) if source.archive.plain else source

    monkeypatch.setattr("d3wrap.data.fetching.fetcher.find_source", known)
    content(CONTENT)
    return content


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != ".lock")


@pytest.mark.parametrize("source", FURTHER, ids=lambda source: source.name)
def test_each_is_known_by_its_hash_at_one_commit(source):
    assert re.fullmatch(r"[0-9a-f]{64}", source.archive.sha256)
    assert re.search(r"/[0-9a-f]{40}/data/", source.archive.urls[0])
    assert find_source(source.folder).folder == source.folder
    assert source.files == (f"{source.split}.mat",)
    assert not {*source.files} & {*find_source(source.folder).files}
    assert len({one.archive.name for one in SOURCES if one.archive.plain}) == len(FURTHER)


@pytest.mark.parametrize("source", FURTHER, ids=lambda source: source.name)
def test_the_hashes_are_those_of_the_official_files(source, data_folder):
    name = "sent_splits.mat" if source.name == "CUB-sent" else "att_splits.mat"
    assert sha256_of(data_folder / "splits" / source.folder / name) == source.archive.sha256


def test_a_file_gets_its_name_in_the_datasets_folder_and_nothing_is_left(go, further, server):
    server.script = [{"after": 2048}]
    (fetched,) = go("CUB-sent", url=None)
    assert (fetched.path, fetched.how) == (go.folder / "CUB", "downloaded")
    assert server.starts == [0, 2048]
    assert (go.path / "sent_splits.mat").read_bytes() == CONTENT
    assert names(go.folder) == ["CUB", "CUB/sent_splits.mat", NAME]
    assert Record(go.folder).files("CUB-sent") == {"sent_splits.mat": server.sha256}


def test_the_files_of_a_folder_come_in_any_order(go, further, server, pack):
    for order in (("CUB-sent", "CUB"), ("CUB", "CUB-sent")):
        go.folder = go.folder.with_name("-".join(order))
        for name in order:
            server.content = CONTENT if name == "CUB-sent" else pack.archive()
            go(name, url=None if name == "CUB-sent" else server.url)
        assert names(go.folder / "CUB") == ["att_splits.mat", "res101.mat", "sent_splits.mat"]
        asked = len(server.asked)
        assert [item.how for item in go(*order, url=None)] == ["present", "present"]
        assert len(server.asked) == asked


def test_wrong_bytes_are_refused_and_nothing_is_left(go, further, server):
    server.script = [{"content": CONTENT[::-1]}]
    with pytest.raises(DataError, match="SHA256 hash") as caught:
        go("CUB-sent", url=None)
    assert go.left() == []
    said = str(caught.value)
    assert f"Put it, as it is, at {go.folder / 'CUB_sent_splits.mat'}" in said
    assert f"(sent_splits.mat), put them into {go.folder / 'CUB'}" in said
    assert f"d3wrap data info {go.folder / 'CUB'} --split sent_splits" in said


def test_a_file_put_there_by_hand_is_checked_and_taken(go, further, server):
    go.folder.mkdir()
    path = go.folder / "CUB_sent_splits.mat"
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(DataError, match="its SHA-256 is"):
        go("CUB-sent", url=None)
    path.write_bytes(CONTENT)
    assert go("CUB-sent", url=None)[0].how == "unpacked"
    assert names(go.folder) == ["CUB", "CUB/sent_splits.mat", NAME]
    assert server.asked == []


def test_another_file_of_that_name_is_not_overwritten(go, further):
    go.path.mkdir(parents=True)
    (go.path / "sent_splits.mat").write_bytes(b"mine")
    assert go("CUB-sent", url=None)[0].how == "present"
    assert (go.path / "sent_splits.mat").read_bytes() == b"mine"


@pytest.mark.parametrize("bounds", [{"member_bytes": 1000}, {"archive_bytes": 1000}])
def test_one_that_is_too_large_is_refused(bounds, go, further):
    with pytest.raises(DataError, match=r"10,240 bytes, (expected 1 … 1,000|more than the limit of 1,000)"):
        go("CUB-sent", url=None, bounds=bounds)
    assert not go.path.exists()


def test_from_the_command_to_a_dataset_that_loads(server, further, pack, make, tmp_path):
    made = make.mat(tmp_path / "made")
    split = (made / "att_splits.mat").read_bytes()
    files = {f"xlsa17/data/CUB/{path.name}": path.read_bytes() for path in made.glob("*.mat")}
    out = tmp_path / "out"
    further(split)
    for name, content in (("CUB", pack.archive(files)), ("CUB-sent", split)):
        server.content = content
        arguments = ["data", "fetch", name, "--out", str(out), "--url", server.url]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert result.stdout == f"d3wrap data info {out / 'CUB'} --split sent_splits\n"
    assert "CUB-sent: downloaded\n" in result.stderr
    with make.parsing_here():
        make.same(load_dataset(out / "CUB", split="sent_splits"), load_dataset(made))


@pytest.mark.parametrize(("wrong", "meant"), [("CUBB", "CUB"), ("cub-snet", "CUB-sent")])
def test_a_misspelt_name_is_told_the_nearest_as_it_is_spelt(wrong, meant):
    with pytest.raises(ConfigError, match=f"did you mean {meant!r}.*AWA1-val"):
        find_source(wrong)
