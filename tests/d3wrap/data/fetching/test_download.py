"""Downloads from servers that drop connections, lie, change their mind or are gone."""

from __future__ import annotations

import json
import shutil
import sys
from collections import namedtuple

import pytest

from d3wrap.data.fetching.patience import Patience
from d3wrap.errors import DataError, MissingExtraError

pytest.importorskip("pooch")
LOCK = "d3wrap-data.lock.json"
WHOLE = ["CUB", LOCK, "xlsa17.zip"]


def test_a_good_server_is_asked_once(go, server):
    (fetched,) = go()
    assert (fetched.path, fetched.how) == (go.path, "downloaded")
    assert go.is_whole()
    assert go.left() == WHOLE
    assert server.starts == [0]
    assert go.seen[0] == (0, len(server.content))
    assert go.seen[-1] == (len(server.content), len(server.content))
    assert go.waits == []


def test_dropped_connections_are_gone_on_with(go, server):
    server.script = [{"after": 2048}, {"after": 1024}, {"after": 3072}]
    go()
    assert go.is_whole()
    assert server.starts == [0, 2048, 3072, 6144]
    assert [headers.get("If-Range") for _, headers in server.asked] == [None, '"one"', '"one"', '"one"']
    assert go.waits == [1.0, 1.0, 1.0]  # each try brought something, so waits do not grow
    assert any("2,048 bytes are there" in text for text in go.said)


def test_a_date_is_as_good_as_an_etag(go, server):
    server.etag, server.date = None, "Wed, 21 Oct 2020 07:28:00 GMT"
    server.script = [{"after": 2048}]
    go()
    assert server.starts == [0, 2048]
    assert server.asked[1][1]["If-Range"] == server.date


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_mark_only_a_known_hash_lets_it_go_on(etag, go, server, tmp_path):
    server.etag = etag
    server.script = [{"after": 2048}]
    go()
    assert server.starts == [0, 0]
    go.folder = tmp_path / "other"
    server.asked, server.script = [], [{"after": 2048}]
    go(sha256=server.sha256)
    assert server.starts == [0, 2048]


def test_a_server_that_ignores_range_is_read_from_the_start(go, server):
    server.ranges = False
    server.script = [{"after": 4096}]
    go()
    assert go.is_whole()
    assert server.starts == [0, 4096]  # it was asked for the rest and gave all


def test_what_another_process_began_is_gone_on_with(go, server):
    server.script = [{"after": 2048}] + [{"status": 503}] * 4
    with pytest.raises(DataError, match="503"):
        go()
    assert len(go.left()) == 2  # the part and its note
    go()
    assert server.starts[-1] == 2048
    assert go.is_whole()
    assert go.left() == WHOLE


def test_a_process_killed_between_the_last_byte_and_the_end(go, server):
    server.script = [{"after": 2048}] + [{"status": 503}] * 4
    with pytest.raises(DataError):
        go()
    (part,) = go.folder.glob("*.part")
    part.write_bytes(server.content)
    go()
    assert server.starts[-1] == len(server.content)  # answered with 416: there is no rest
    assert go.is_whole()


def test_a_spoilt_part_is_fetched_again_where_the_hash_is_known(go, server):
    server.script = [{"after": 2048}] + [{"status": 503}] * 4
    with pytest.raises(DataError):
        go(sha256=server.sha256)
    (part,) = go.folder.glob("*.part")
    part.write_bytes(b"?" * 2048)
    go(sha256=server.sha256)
    assert server.starts[-2:] == [2048, 0]
    assert go.is_whole()


def test_a_spoilt_note_means_from_the_start(go, server):
    server.script = [{"after": 2048}] + [{"status": 503}] * 4
    with pytest.raises(DataError):
        go()
    (note,) = go.folder.glob("*.part.json")
    note.write_text("{")
    go()
    assert server.starts[-1] == 0


def test_a_file_that_changes_between_tries_is_not_mixed(go, server, pack):
    new = pack.archive(pack.members())
    server.script = [{"after": 4096}, {"change": (new, '"two"')}]
    go()
    assert (go.folder / "xlsa17.zip").read_bytes() == new
    assert server.asked[1][1]["If-Range"] == '"one"'


def test_a_careless_server_that_sends_a_piece_of_something_else(go, server, pack):
    new = pack.archive(pack.members())
    server.script = [{"after": 4096}, {"change": (new, '"two"'), "careless": 1}]
    go()
    assert (go.folder / "xlsa17.zip").read_bytes() == new
    assert server.starts == [0, 4096, 0]
    assert any("has changed" in text for text in go.said)


def test_another_piece_than_asked_for_is_not_appended(go, server):
    server.script = [{"after": 4096}, {"shift": 7}]
    go()
    assert go.is_whole()
    assert server.starts == [0, 4096, 0]
    assert any("another piece than asked" in text for text in go.said)


def test_an_announced_length_that_is_too_long(go, server):
    server.script = [{"length": len(server.content) + 100}]
    go()
    assert go.is_whole()


def test_a_server_that_always_announces_too_much(go, server):
    server.ranges = False
    server.script = [{"length": len(server.content) + 100}] * 9
    with pytest.raises(DataError, match="4 tries in a row brought nothing new"):
        go()
    assert len(server.asked) == 5
    assert go.waits == [1.0, 1.0, 2.0, 4.0]  # the first try brought something; then they double


@pytest.mark.parametrize("known", [True, False])
def test_an_announced_length_that_is_too_short(known, go, server):
    server.script = [{"length": 5000}]
    with pytest.raises(DataError, match=r"SHA256|no whole zip file"):
        go(sha256=server.sha256 if known else None)
    assert go.left() == []
    go()
    assert go.is_whole()


def test_a_rest_that_is_announced_too_short(go, server):
    server.script = [{"after": 2048}, {"length": 512}]
    go()
    assert server.starts == [0, 2048, 2560]
    assert any("ended after 2,560 of" in text for text in go.said)


def test_a_file_that_has_become_shorter_than_what_is_there(go, server, pack):
    new = pack.archive(dict.fromkeys(pack.members(), b"x" * 50))
    assert len(new) < 2048
    server.script = [{"after": 2048}, {"change": (new, '"two"'), "careless": 1}]
    go()
    assert (go.folder / "xlsa17.zip").read_bytes() == new
    assert any("no such rest" in text for text in go.said)


def test_a_killed_process_leaves_nothing_that_stays(go, server):
    left = go.folder / ".xlsa17.zip.arriving"
    left.mkdir(parents=True)
    (left / "tmp123").write_bytes(b"")
    (left / "xlsa17.zip").write_bytes(b"half")
    go()
    assert go.is_whole()
    assert go.left() == WHOLE


def test_no_announced_length(go, server):
    server.script = [{"length": None}]
    go()
    assert go.is_whole()
    assert go.seen[0] == (0, None)


def test_no_announced_length_and_half_a_file_are_noticed(go, server):
    server.script = [{"length": None, "after": 5000}]
    with pytest.raises(DataError, match="no whole zip file"):
        go()
    assert go.left() == []


def test_wrong_bytes_are_refused_and_removed(go, server):
    wrong = bytes([server.content[0] ^ 1]) + server.content[1:]
    server.script = [{"content": wrong}]
    with pytest.raises(DataError, match=server.sha256):
        go(sha256=server.sha256)
    assert go.left() == []
    assert len(server.asked) == 1


def test_a_web_page_instead_of_the_file(go, server):
    server.content = b"  <!DOCTYPE html><title>We have moved</title>"
    with pytest.raises(DataError, match="is a web page"):
        go()
    assert go.left() == []


@pytest.mark.parametrize("status", [401, 403, 404, 410, 304])
def test_gone_is_gone(status, go, server):
    server.script = [{"status": status}] * 9
    with pytest.raises(DataError, match=f"answers {status}"):
        go()
    assert len(server.asked) == 1
    assert go.waits == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_trouble_passes(status, go, server):
    server.script = [{"status": status}] * 3
    go()
    assert go.is_whole()
    assert go.waits == [1.0, 2.0, 4.0]


def test_the_server_says_when_to_come_back(go, server):
    server.script = [{"status": 503, "headers": {"Retry-After": wait}} for wait in ("7", "86400", "Friday")]
    go()
    assert go.waits == [7.0, 60.0, 4.0]


def test_silence_is_waited_for_and_then_tried_again(go, server):
    server.script = [{"silent": 0.3}]
    go(bounds={"read_seconds": 0.05})
    assert go.is_whole()
    assert "no answer in time" in go.said[-2] or any("no answer in time" in text for text in go.said)


def test_tries_are_bounded_even_when_each_brings_something(go, server):
    server.script = [{"after": 600}] * 50
    with pytest.raises(DataError, match="not complete after 3 tries"):
        go(bounds={"tries": 3})
    assert server.starts == [0, 512, 1024]


def test_redirects_are_followed(go, server):
    server.script = [{"status": 302, "headers": {"Location": "/elsewhere.zip"}}]
    go()
    assert [path for path, _ in server.asked] == ["/a.zip", "/elsewhere.zip"]


@pytest.mark.parametrize("location", ["/a.zip", "ftp://127.0.0.1/a.zip"])
def test_redirects_that_lead_nowhere(location, go, server):
    server.script = [{"status": 302, "headers": {"Location": location}}] * 40
    with pytest.raises(DataError, match="could not be fetched"):
        go()


def test_a_redirect_from_https_to_http_is_refused(go, server, mirrors, monkeypatch):
    import requests

    real = requests.get
    monkeypatch.setattr(requests, "get", lambda url, **options: real(server.url, **options))
    mirrors("https://example.invalid/a.zip")
    with pytest.raises(DataError, match="leads from https to http:"):
        go(url=None)
    assert go.left() == []


def test_a_certificate_that_is_not_accepted(go, mirrors, monkeypatch):
    import requests

    def refuse(*_, **__):
        raise requests.exceptions.SSLError("self-signed")

    monkeypatch.setattr(requests, "get", refuse)
    mirrors("https://example.invalid/a.zip")
    with pytest.raises(DataError, match="certificate is not accepted"):
        go(url=None)
    assert go.waits == []


def test_packed_transfers_are_refused(go, server):
    server.script = [{"headers": {"Content-Encoding": "gzip"}}]
    with pytest.raises(DataError, match="sends the file as gzip"):
        go()


@pytest.mark.parametrize("answer", [{}, {"length": None}])
def test_too_much_is_refused_announced_or_not(answer, go, server):
    server.script = [answer]
    with pytest.raises(DataError, match="more than the limit of 4,000"):
        go(bounds={"archive_bytes": 4000})
    assert go.left() == []


def test_a_full_disk_is_noticed_before_the_download(go, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, 5000))
    with pytest.raises(DataError, match=r"more bytes are needed and 5,000 are free"):
        go()
    assert go.seen == []


def test_mirrors_are_tried_in_order(go, server, mirrors):
    mirrors(f"{server.root}/one.zip", f"{server.root}/two.zip", f"{server.root}/three.zip")
    server.script = [{"status": 404}, {"content": b"nonsense"}]
    go(url=None)
    assert [path for path, _ in server.asked] == ["/one.zip", "/two.zip", "/three.zip"]
    assert go.is_whole()
    assert go.left() == WHOLE


def test_bytes_of_two_mirrors_are_never_put_together(go, server, mirrors):
    mirrors(f"{server.root}/one.zip", f"{server.root}/two.zip")
    server.script = [{"after": 2048}] + [{"status": 503}] * 4
    go(url=None)
    assert server.starts[-1] == 0
    assert go.left() == WHOLE  # the first mirror's part is removed


def test_offline_says_what_failed_and_how_to_do_it_by_hand(go, mirrors):
    mirrors("http://127.0.0.1:9/a.zip", "http://127.0.0.1:9/b.zip")
    with pytest.raises(DataError) as caught:
        go(url=None)
    text = str(caught.value)
    assert text.count("no connection") == 2
    assert " object at 0x" not in text
    assert text.count("dropped (Failed to establish a new connection: ") == 2
    assert f"Put it, as it is, at {go.folder / 'xlsa17.zip'}" in text
    assert f"d3wrap data fetch CUB --out {go.folder}" in text
    assert f"d3wrap data info {go.path}" in text
    assert "res101.mat and att_splits.mat" in text
    assert go.left() == []


def test_plain_http_without_a_hash_is_pointed_out(go, server):
    go()
    assert any("neither https nor a known SHA-256" in text for text in go.said)


def test_without_pooch_the_line_to_type(go, server, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'd3wrap\[fetch\]'"):
        go()
    assert server.asked == []


def test_the_first_hash_is_recorded_and_said_and_later_ones_must_match(go, server, pack):
    go()
    record = json.loads((go.folder / LOCK).read_text())
    assert record["archives"]["xlsa17.zip"] == {"sha256": server.sha256, "bytes": len(server.content)}
    assert any(server.sha256 in text and "recorded" in text for text in go.said)
    (go.folder / "xlsa17.zip").unlink()
    old, server.content = server.sha256, pack.archive(pack.members("AWA2"))
    with pytest.raises(DataError, match=old):
        go("AWA2")
    assert go.left() == ["CUB", LOCK]


def test_pauses_double_up_to_a_bound():
    patience = Patience()
    assert [patience.pause(idle) for idle in (0, 1, 2, 3, 9)] == [1, 1, 2, 4, 60]
