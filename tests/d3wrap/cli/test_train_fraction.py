"""``--train-fraction``, as typed: what is trained on, recorded and shown."""

from __future__ import annotations

import csv
import json

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.comparison.storage import read_results

SOURCE = "synthetic:classes=6,unseen=2,dim=8,samples=50"  # 40 training rows for each of four seen classes
TINY = ["--data", SOURCE, "--device", "cpu"]
TINY += ["--set", "steps=4", "--set", "hidden=8", "--set", "synthetic_per_class=5", "--protocol", "fixed"]
PART = ["--train-fraction", "0.3", "--fraction-seed", "2"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


def test_evaluate_measures_on_the_rows_that_were_trained_on(run, tmp_path):
    run("train", *TINY, *PART, "--arm", "baseline", "--out", "one")
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["dataset"]["train_rows"] == 4 * 12
    assert manifest["dataset"]["train_fraction"] == 0.3
    assert manifest["dataset"]["provenance"]["train_fraction"] == "0.3, seed 2"
    run("evaluate", "one")
    first = json.loads((tmp_path / "one" / "result.json").read_text())
    assert {entry["train_fraction"] for entry in first} == {0.3}
    manifest["config"]["data"]["fraction_seed"] = 3  # other rows than those recorded
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest))
    said = run("evaluate", "one", code=1)
    assert "was trained on data with train_fraction 0.3, seed 2, found 0.3, seed 3" in " ".join(said.split())


def test_compare_says_the_fraction_and_gives_what_evaluate_gives(run, tmp_path):
    d3 = ["--d3", "embedding_dim=8", "--d3", "teacher_epochs=1"]
    output = run("compare", *TINY, *PART, *d3, "--seeds", "1", "--classifier", "softmax", "--out", "out")
    assert output.startswith("synthetic: 48 training features (30% of each class's) of 4 seen classes")
    assert "30% of each class's training images" in output
    assert {r.train_fraction for r in read_results(tmp_path / "out").runs} == {0.3}
    assert {row["train_fraction"] for row in csv.DictReader((tmp_path / "out" / "results.csv").open())} == {"0.3"}
    path = tmp_path / "out" / "clswgan" / "seed-0" / "enhanced" / "result.json"
    (before,) = json.loads(path.read_text())
    run("evaluate", str(path.parent), "--classifier", "softmax")
    (after,) = json.loads(path.read_text())
    for result in (before, after):
        del result["evaluation_seconds"]
    assert after == before


def test_without_it_nothing_is_said(run):
    output = run("compare", *TINY, "--seeds", "1", "--classifier", "softmax", "--d3", "teacher_epochs=1", "--out", "o")
    assert output.startswith("synthetic: 160 training features of 4 seen classes")
    assert "% of each class's" not in output


def test_data_info_shows_it(run):
    summary = json.loads(run("data", "info", SOURCE, *PART, "--json"))
    assert (summary["rows"]["train"], summary["train_fraction"]) == (48, 0.3)
    assert summary["train_rows_per_class"] == {"min": 12, "max": 12}
    assert summary["provenance"]["train_fraction"] == "0.3, seed 2"
    assert "0.3, seed 2" in run("data", "info", SOURCE, *PART)
    assert json.loads(run("data", "info", SOURCE, "--json"))["train_fraction"] == 1


@pytest.mark.parametrize("value", ["0", "-0.1", "1.5", "nan", "inf"])
@pytest.mark.parametrize("command", [["train", *TINY, "--out", "one"], ["data", "info", SOURCE]])
def test_a_fraction_out_of_range_is_refused(run, tmp_path, command, value):
    output = run(*command, "--train-fraction", value, code=2)
    assert f"train_fraction: expected a number above 0 and at most 1, found {float(value)}" in output
    assert not (tmp_path / "one").exists()
