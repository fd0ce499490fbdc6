"""``d3wrap data fetch``, from the command line to a dataset that loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.data import load_dataset
from d3wrap.data.fetching import SOURCES

DOCS = (Path(__file__).parents[4] / "docs" / "data.md").read_text(encoding="utf-8")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return lambda *arguments: CliRunner().invoke(main, ["data", "fetch", *(str(argument) for argument in arguments)])


@pytest.fixture
def real(server, pack, make, tmp_path):
    """The server's archive holds files that are a dataset."""
    folder = make.mat(tmp_path / "made")
    files = {f"xlsa17/data/CUB/{path.name}": path.read_bytes() for path in folder.glob("*.mat")}
    server.content = pack.archive(files)
    return folder


def test_fetch_then_the_line_it_prints(run, server, real, make, tmp_path):
    pytest.importorskip("pooch")
    out = tmp_path / "my data"
    result = run("CUB", "--out", out, "--url", server.url)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"d3wrap data info '{out / 'CUB'}'\n"
    assert "downloaded and unpacked" in result.stderr
    with make.parsing_here():
        make.same(load_dataset(out / "CUB"), load_dataset(real))
        info = CliRunner().invoke(main, ["data", "info", str(out / "CUB")])
    assert info.exit_code == 0
    again = run("CUB", "--out", out)
    assert again.stdout == result.stdout
    assert "nothing was fetched" in again.stderr
    assert len(server.asked) == 1


@pytest.mark.parametrize("variable", ["D3WRAP_CACHE", "XDG_CACHE_HOME"])
def test_without_out_it_goes_into_the_cache(variable, run, server, real, monkeypatch, tmp_path):
    pytest.importorskip("pooch")
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    folder = tmp_path / "cache" / ("d3wrap" if variable == "XDG_CACHE_HOME" else "") / "datasets"
    result = run("CUB", "--url", server.url, "--sha256", server.sha256.upper(), "--no-keep")
    assert result.stdout == f"d3wrap data info {folder / 'CUB'}\n"
    assert sorted(path.name for path in (folder / "CUB").iterdir()) == ["att_splits.mat", "res101.mat"]
    assert not (folder / "xlsa17.zip").exists()


def test_a_gone_source_ends_in_an_error_that_helps(run, server, tmp_path):
    pytest.importorskip("pooch")
    server.script = [{"status": 404}]
    result = run("CUB", "--out", tmp_path, "--url", server.url)
    assert result.exit_code == 1
    assert "answers 404" in result.stderr
    assert "By hand:" in result.stderr
    assert result.stdout == ""


def test_the_list(run):
    output = run("--list").output
    for source in SOURCES:
        assert f"{source.name}: {source.title}" in output
        assert all(url in output for url in source.archive.urls)
    archives = [source for source in SOURCES if not source.archive.plain]
    assert output.count("sha256  not known; the first download is recorded") == len(archives) == 6
    assert all(f"sha256  {source.archive.sha256}" in output for source in SOURCES if source.archive.plain)
    assert "with APY, AWA1, CUB, SUN" in output


@pytest.mark.parametrize(("arguments", "text"), [((), "at least one dataset"), (("CUP",), "did you mean 'CUB'?")])
def test_a_wrong_command_line(arguments, text, run):
    result = run(*arguments)
    assert result.exit_code == 2
    assert text in result.output


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_is_documented(source):
    section = DOCS.partition("\n## Fetching\n")[2].partition("\n## ")[0]
    assert f"`{source.name}`" in section
    assert all(url in section for url in source.archive.urls)
    assert source.archive.page in section
    if source.archive.plain:
        row = next(line for line in section.splitlines() if line.startswith(f"| `{source.name}` |"))
        assert f"<{source.archive.urls[0]}> | `{source.archive.sha256}` |" in row
        assert f"`{source.folder}/{source.files[0]}`" in row
