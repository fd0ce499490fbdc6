"""``d3wrap data convert | info | check``."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from d3wrap.cli.data import data
from d3wrap.data import load_dataset
from d3wrap.data.checks import CHECKS
from d3wrap.data.semantics_file import ClassSemantics, write_semantics
from d3wrap.errors import ConfigError, DataError


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(data, [str(argument) for argument in arguments])


def test_convert_writes_what_loads_again(run, tmp_path, make):
    out = tmp_path / "out.safetensors"
    with make.parsing_here():
        result = run("convert", make.mat(tmp_path / "data"), "--features", "res101", "--out", out)
        assert result.exit_code == 0, result.output
        assert "24 features" in result.output
        make.same(load_dataset(out), load_dataset(tmp_path / "data"))


@pytest.mark.parametrize("source", ["digits", "synthetic:classes=4,unseen=1"])
def test_convert_names_the_file_after_the_source(source, run, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    assert run("convert", source).exit_code == 0
    converted = load_dataset(f"{source.partition(':')[0]}.safetensors")
    make.same(converted, load_dataset(source))


def test_convert_without_a_name_replaces_what_it_wrote_and_no_other_file(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "digits.safetensors"
    write_semantics(ClassSemantics(torch.eye(2), ("rose", "lily"), encoder="mine"), path)
    before = path.read_bytes()
    refused = run("convert", "digits")
    assert isinstance(refused.exception, ConfigError)
    assert "digits.safetensors is there already and is no converted dataset" in str(refused.exception)
    path.write_text("notes")
    assert isinstance(run("convert", "digits").exception, ConfigError)
    path.write_bytes(before)
    assert run("convert", "digits", "--out", path).exit_code == 0
    assert run("convert", "digits").exit_code == 0
    assert len(load_dataset(path).labels) == 1797


def test_convert_refuses_another_suffix(run, tmp_path):
    result = run("convert", "digits", "--out", tmp_path / "digits.npz")
    assert result.exit_code == 2
    assert "must end in .safetensors" in result.output


def test_info_as_json(run):
    summary = json.loads(run("info", "digits", "--json").output)
    assert summary["classes"] == {"seen": 7, "unseen": 3}
    assert summary["rows"]["train"] + summary["rows"]["test_seen"] + summary["rows"]["test_unseen"] == 1797
    assert summary["feature_range"] == {"min": 0.0, "max": 16.0}
    assert summary["unseen_classes"] == ["zero", "four", "seven"]
    assert len(summary["provenance"]["sha256.digits.npz"]) == 64


def test_info_as_a_table_shows_names_as_they_are(run, tmp_path, make):
    names = ["[red]cat", "dog", "ox", "[bold]yak[/bold]"]
    output = run("info", make.npz(tmp_path / "a.npz", class_names=names)).output
    assert "[bold]yak[/bold]" in output
    assert "train: 12" in output


def test_check_prints_every_check_that_passed(run):
    result = run("check", "digits")
    assert result.exit_code == 0
    assert all(f"ok      {check.holds}" in result.output for check in CHECKS)
    assert "all 10 checks passed" in result.output


def test_check_stops_at_the_first_that_fails(run, tmp_path, make):
    features = make.npz_arrays()["features"]
    features[3, 1] = float("inf")
    result = run("check", make.npz(tmp_path / "a.npz", features=features))
    assert result.exit_code == 1
    assert result.output.splitlines()[1] == f"ok      {CHECKS[0].holds}"
    assert "FAILED  dataset a: features has 1 values that are NaN or infinite" in result.output
    assert len(result.output.splitlines()) == 3


def test_check_of_a_file_that_cannot_be_read(run, tmp_path):
    result = run("check", tmp_path / "nothing.npz")
    assert result.exit_code == 1
    assert result.output.startswith("FAILED")


def test_other_commands_raise_our_error(run, tmp_path):
    assert isinstance(run("info", tmp_path / "nothing.npz").exception, DataError)
