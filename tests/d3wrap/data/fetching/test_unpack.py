"""What is taken out of archives, sound and hostile, and how it gets in place."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import zipfile
from collections import namedtuple

import pytest

from d3wrap.comparison.run_lock import locked
from d3wrap.data.fetching.patience import Patience
from d3wrap.data.fetching.record import Record
from d3wrap.data.fetching.sources import find_source
from d3wrap.errors import ConfigError, DataError

LOCK = "d3wrap-data.lock.json"
FEATURES, SPLIT = "xlsa17/data/CUB/res101.mat", "xlsa17/data/CUB/att_splits.mat"


@pytest.fixture
def put(go, pack):
    """Put an archive into the folder by hand, as the message for a gone source says."""

    def place(content=None, **options):
        go.folder.mkdir(exist_ok=True)
        (go.folder / "xlsa17.zip").write_bytes(pack.archive(**options) if content is None else content)

    return place


@pytest.fixture
def refuses(go, server):
    """Fetching from the archive in place fails, and nothing is left of the attempt."""

    def check(match):
        with pytest.raises(DataError, match=match) as caught:
            go()
        assert go.left() == ["xlsa17.zip"]
        assert server.asked == []
        assert not (go.folder.parent / "evil.mat").exists()
        assert "By hand:" in str(caught.value)

    return check


def test_an_archive_put_there_by_hand_is_checked_recorded_and_unpacked(go, put, server):
    put()
    (fetched,) = go()
    assert fetched.how == "unpacked"
    assert go.is_whole()
    assert server.asked == []
    assert Record(go.folder).sha256("xlsa17.zip") == server.sha256  # the server's archive has the same bytes
    assert Record(go.folder).files("CUB").keys() == {"res101.mat", "att_splits.mat"}


def test_only_expected_members_are_unpacked(go, put, pack):
    put(files={**pack.members(), "xlsa17/data/CUB/extra.py": b"print()", "xlsa17/code/run.m": b"", "d/": b""})
    go()
    assert go.is_whole()
    assert go.left() == ["CUB", LOCK, "xlsa17.zip"]
    assert stat.S_IMODE(go.path.stat().st_mode) & 0o100


def test_members_may_lie_elsewhere_if_only_one_has_their_name(go, put, pack):
    files = {name.replace("xlsa17/data", "data (1)"): content for name, content in pack.members().items()}
    put(files={**files, "__MACOSX/data (1)/CUB/res101.mat": b"junk"})
    go()
    assert go.is_whole()


def test_two_candidates_are_refused(put, pack, refuses):
    files = {name.replace("xlsa17", place): content for place in "ab" for name, content in pack.members().items()}
    put(files=files)
    refuses(f"has 2 files {FEATURES}, expected one")


def test_a_missing_member(put, pack, refuses):
    put(files={FEATURES: pack.members()[FEATURES]})
    refuses(f"has 0 files {SPLIT}, expected one")


@pytest.mark.parametrize("name", ["../evil.mat", "a/../../evil.mat", "/tmp/evil.mat", "..\\evil.mat", "C:\\evil.mat"])
def test_unsafe_paths_are_refused_wherever_they_are(name, put, pack, refuses):
    put(files={**pack.members(), name: b"evil"})
    refuses("unsafe path")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind, put, pack, refuses):
    link = zipfile.ZipInfo(FEATURES)
    link.create_system, link.external_attr = 3, (kind | 0o777) << 16
    put(files={link: b"/etc/passwd", SPLIT: pack.members()[SPLIT]})
    refuses("is a link or a device")


def test_a_folder_in_a_members_place(put, pack, refuses):
    put(files={f"{FEATURES}/": b"", SPLIT: pack.members()[SPLIT]})
    refuses(f"has 0 files {FEATURES}")


def test_an_encrypted_member(put, pack, refuses):
    content = bytearray(pack.archive(pack.members()))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    put(bytes(content))
    refuses("is encrypted")


def test_an_empty_member(put, pack, refuses):
    put(files={**pack.members(), SPLIT: b""})
    refuses("has 0 bytes")


def test_a_bomb_is_not_unpacked(put, pack, refuses):
    put(files={**pack.members(), FEATURES: bytes(2**20)})
    refuses("more than 200 times as much")


def test_a_member_that_is_too_large(go, put):
    put()
    with pytest.raises(DataError, match=r"has 8,192 bytes, expected 1 … 8,000"):
        go(bounds={"member_bytes": 8000})


def test_a_bomb_that_says_it_is_small_gives_no_more_than_it_says(put, pack, refuses):
    content = bytearray(pack.archive({**pack.members(), FEATURES: bytes(2**20)}))
    where = content.index(b"PK\x01\x02")
    content[where + 24 : where + 28] = struct.pack("<I", 100)
    put(bytes(content))
    refuses("is damaged")


def test_a_damaged_member(put, pack, refuses):
    content = bytearray(pack.archive(pack.members(), packing=zipfile.ZIP_STORED))
    content[200] ^= 1
    put(bytes(content))
    refuses("is damaged .*CRC")


@pytest.mark.parametrize("cut", [0, 1, 100, 5000, -1])
def test_a_truncated_archive(cut, put, pack, refuses):
    put(pack.archive()[:cut])
    refuses("no whole zip file")


def test_an_unknown_packing(put, pack, refuses):
    content = bytearray(pack.archive(pack.members()))
    content[content.index(b"PK\x01\x02") + 10] = 99
    put(bytes(content))
    refuses("is damaged")


def test_a_member_that_ends_early(put, pack, refuses):
    content = bytearray(pack.archive(pack.members(), packing=zipfile.ZIP_STORED))
    where = content.index(b"PK\x01\x02")
    content[where + 24 : where + 28] = struct.pack("<I", 9000)  # of 8,192
    put(bytes(content))
    refuses("damaged|ends after")


def test_an_archive_with_another_hash_than_asked_for(go, put, server, refuses):
    put()
    with pytest.raises(DataError, match="expected 000"):
        go(sha256="0" * 64)
    assert go.left() == ["xlsa17.zip"]


def test_a_verified_archive_that_lacks_a_member(go, server, pack):
    pytest.importorskip("pooch")
    server.content = pack.archive(pack.members("AWA2"))
    with pytest.raises(DataError, match="has 0 files"):
        go(sha256=server.sha256)
    assert go.left() == [LOCK, "xlsa17.zip"]


def test_what_is_there_is_not_fetched_again(go, put, server):
    put()
    go()
    before = {path: path.stat().st_mtime_ns for path in go.path.iterdir()}
    (go.folder / "xlsa17.zip").unlink()
    (fetched,) = go()
    assert fetched.how == "present"
    assert {path: path.stat().st_mtime_ns for path in go.path.iterdir()} == before
    assert server.asked == []


def test_a_file_that_changed_since_is_pointed_out(go, put):
    put()
    go()
    (go.path / "res101.mat").write_bytes(b"mine")
    with pytest.raises(DataError, match="was recorded when it was fetched"):
        go()
    assert (go.path / "res101.mat").read_bytes() == b"mine"


def test_a_file_that_is_lost_comes_back_and_the_others_stay(go, put):
    put()
    go()
    (go.path / "res101.mat").unlink()
    (go.path / "mine.txt").write_text("mine")
    kept = (go.path / "att_splits.mat").stat()
    assert go()[0].how == "unpacked"
    assert (go.path / "att_splits.mat").stat().st_ino == kept.st_ino
    assert (go.path / "mine.txt").read_text() == "mine"
    (go.path / "mine.txt").unlink()
    assert go.is_whole()


def test_files_put_there_by_hand_are_left_as_they_are(go, server):
    go.path.mkdir(parents=True)
    for name in ("res101.mat", "att_splits.mat"):
        (go.path / name).write_bytes(b"mine")
    assert go()[0].how == "present"
    assert any("not put there by this command" in text for text in go.said)
    assert server.asked == []


def test_a_file_put_there_by_hand_is_never_overwritten(go, put):
    put()
    go.path.mkdir()
    (go.path / "res101.mat").write_bytes(b"mine")
    with pytest.raises(DataError, match="differs from the archive's file"):
        go()
    assert [path.name for path in go.path.iterdir()] == ["res101.mat"]
    assert Record(go.folder).files("CUB") == {}


def test_a_kill_while_unpacking_leaves_nothing_that_counts(go, put, monkeypatch):
    put()
    scratch = go.folder / ".CUB.unpacking"
    scratch.mkdir()
    (scratch / "res101.mat").write_bytes(b"half")
    go()
    assert go.is_whole()
    assert not scratch.exists()


def test_a_failure_at_the_last_step_leaves_no_folder(go, put, monkeypatch):
    put()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr("pathlib.Path.rename", fail)
    with pytest.raises(DataError, match="No space left on device"):
        go()
    assert not go.path.exists()
    monkeypatch.undo()
    go()
    assert go.is_whole()


def test_a_full_disk_is_noticed_before_unpacking(go, put, monkeypatch):
    put()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, 11_000))
    with pytest.raises(DataError, match="11,192 more bytes are needed and 11,000 are free"):
        go()
    assert not go.path.exists()


def test_several_datasets_share_one_archive(go, put):
    put()
    assert [(item.source.name, item.how) for item in go("cub", "AWA2", "CUB")] == [
        ("CUB", "unpacked"),
        ("AWA2", "unpacked"),
    ]
    assert go.left() == ["AWA2", "CUB", LOCK, "xlsa17.zip"]


def test_the_archive_need_not_stay(go, put):
    put()
    go(keep=False)
    assert go.left() == ["CUB", LOCK]


def test_one_process_at_a_time(go, monkeypatch):
    monkeypatch.setattr("d3wrap.comparison.run_lock.PATIENCE", 0.0)
    go.folder.mkdir()
    with locked(go.folder), pytest.raises(DataError, match="another process fetches into this folder"):
        go()


@pytest.mark.parametrize(
    "change",
    [
        lambda value: "not json",
        lambda value: json.dumps([]),
        lambda value: json.dumps(value | {"version": 2}),
        lambda value: json.dumps(value | {"archives": {"xlsa17.zip": {"sha256": "short"}}}),
        lambda value: json.dumps(value | {"datasets": {"CUB": {}}}),
    ],
)
def test_a_record_that_is_none(change, go, put):
    put()
    go()
    path = go.folder / LOCK
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(DataError, match="is not a record of fetched data"):
        go()


def test_a_record_and_a_hash_that_disagree(go, put):
    put()
    go()
    with pytest.raises(DataError, match="was recorded with SHA-256"):
        go("AWA2", sha256="0" * 64)


@pytest.mark.parametrize(
    ("names", "options", "match"),
    [
        (("CUP",), {}, "did you mean 'CUB'"),
        (("digits",), {}, "comes with d3wrap"),
        (("CUB", "FLO"), {}, "of one archive"),
        (("CUB",), {"url": "ftp://a/b"}, "https:// or http://"),
        (("CUB",), {"url": "https:///b"}, "https:// or http://"),
        (("CUB",), {"sha256": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_wrong_arguments(names, options, match, go):
    with pytest.raises(ConfigError, match=match):
        go(*names, **options)
    assert not go.folder.exists()


def test_the_default_limits_fit_what_d3wrap_reads():
    from d3wrap.data import Limits

    assert Patience().member_bytes <= Limits().file_bytes


def test_every_source_is_named_once_and_is_secure():
    from d3wrap.data.fetching import SOURCES

    names = [key for source in SOURCES for key in (source.name, *source.aliases)]
    assert len(set(names)) == len(names)
    for source in SOURCES:
        assert find_source(source.name.lower()) is source
        assert all(url.startswith("https://") for url in source.archive.urls)
        assert source.citation
        assert source.terms
    for source in (one for one in SOURCES if not one.archive.plain):
        assert all(url.endswith(source.archive.name) for url in source.archive.urls)
        assert set(source.files) == {"res101.mat", "att_splits.mat"}
        assert source.folder == source.name
        assert source.split == ""
