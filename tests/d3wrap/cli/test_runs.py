"""train, evaluate and compare, as typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.comparison.storage import read_results
from d3wrap.manager import load_plugins

TINY = ["--data", "synthetic:classes=6,unseen=2,dim=8,samples=20", "--device", "cpu", "--log-every", "2"]
TINY += ["--set", "steps=4", "--set", "hidden=8", "--set", "synthetic_per_class=5", "--protocol", "fixed"]
D3 = ["--d3", "embedding_dim=8", "--d3", "teacher_epochs=1"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


def test_compare_writes_what_it_prints(run, tmp_path):
    output = run("compare", *TINY, *D3, "--seeds", "2", "--out", "out")
    stored = read_results(tmp_path / "out")
    assert {(r.arm, r.seed, r.classifier) for r in stored.runs} == {
        (arm, seed, classifier)
        for arm in ("baseline", "enhanced")
        for seed in (0, 1)
        for classifier in ("softmax", "student", "embedding")
    }
    assert all(r.protocol == "fixed" and not r.test_used_for_selection for r in stored.runs)
    assert {r.formulation for r in stored.runs if r.arm == "enhanced"} == {"corrected"}
    assert all(r.steps == 4 for r in stored.runs)
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert len(rows) == len(stored.runs)
    for text in ("softmax", "student", "embedding", "test set used for selection: no", "wrote out/results.json"):
        assert text in output
    h = next(r for r in stored.runs if (r.arm, r.seed, r.classifier) == ("baseline", 1, "softmax"))
    assert f"T1 {100 * h.T1:.1f} H {100 * h.H:.1f}" in output


def test_each_run_has_a_folder(run, tmp_path):
    run("compare", *TINY, *D3, "--seeds", "5,", "--out", "out", code=2)
    run("compare", *TINY, *D3, "--seeds", "1", "--out", "out")
    folder = tmp_path / "out" / "clswgan" / "seed-0" / "enhanced"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["config"]["settings"]["hidden"] == 8
    assert manifest["config"]["d3"]["class_balanced"] is True
    assert manifest["config"]["plugins"] == list(load_plugins(environ={}).names)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert {"clswgan/critic.wasserstein", "classify/nll", "id2sd/labels", "o2dbd/relation"} <= set(lines[0]["losses"])
    assert (folder / "generator.safetensors").is_file()
    assert (folder / "enhancer.safetensors").is_file()
    assert not (folder.parent / "baseline" / "enhancer.safetensors").exists()


def test_evaluate_gives_the_numbers_compare_gave(run, tmp_path):
    run("compare", *TINY, *D3, "--seeds", "1", "--out", "out")
    for arm in ("baseline", "enhanced"):
        path = tmp_path / "out" / "clswgan" / "seed-0" / arm / "result.json"
        before = json.loads(path.read_text())
        path.unlink()
        run("evaluate", str(path.parent))
        after = json.loads(path.read_text())
        for result in (*before, *after):
            assert result.pop("evaluation_seconds") > 0
        assert after == before


def test_plugins_blocked_by_the_environment_are_told(run, tmp_path, monkeypatch):
    monkeypatch.setenv("D3WRAP_PLUGINS", "-o2dbd")
    run("compare", *TINY, *D3, "--seeds", "1", "--classifier", "softmax", "--out", "out")
    others = [name for name in load_plugins(environ={}).names if name != "o2dbd"]
    assert read_results(tmp_path / "out").config["plugins"] == others
    monkeypatch.delenv("D3WRAP_PLUGINS")
    arm = "out/clswgan/seed-0/baseline"
    assert f"Warning: out/clswgan/seed-0/baseline was trained with the plugins {others[0]}, " in run("evaluate", arm)


def test_train_then_evaluate(run, tmp_path):
    output = run("train", *TINY, "--arm", "baseline", "--seed", "3", "--out", "one")
    assert "next: d3wrap evaluate one" in output
    output = run("evaluate", "one", "--classifier", "softmax", "--threads", str(torch.get_num_threads()))
    assert "softmax" in output
    assert "student" not in output
    (result,) = json.loads((tmp_path / "one" / "result.json").read_text())
    assert (result["arm"], result["seed"], result["classifier"]) == ("baseline", 3, "softmax")


def test_the_arms_differ_and_everything_blocked_makes_them_equal(run, tmp_path):
    run("compare", *TINY, *D3, "--seeds", "1", "--classifier", "softmax", "--out", "on", "--d3", "gradient_share=1")
    run(
        "compare",
        *TINY,
        *D3,
        "--seeds",
        "1",
        "--classifier",
        "softmax",
        "--out",
        "off",
        "--block",
        "classify,id2sd,o2dbd",
    )
    weights = {
        (out, arm): (tmp_path / out / "clswgan" / "seed-0" / arm / "generator.safetensors").read_bytes()
        for out in ("on", "off")
        for arm in ("baseline", "enhanced")
    }
    assert weights["on", "baseline"] != weights["on", "enhanced"]
    assert weights["off", "baseline"] == weights["off", "enhanced"] == weights["on", "baseline"]


def test_pictures_are_drawn_where_features_are_pictures(run, tmp_path):
    pytest.importorskip("matplotlib")
    small = ["--set", "steps=2", "--set", "hidden=8", "--set", "synthetic_per_class=3", "--classifier", "softmax"]
    small += ["--protocol", "fixed"]
    output = run("compare", "--data", "digits", *small, *D3, "--seeds", "1", "--out", "out")
    picture = tmp_path / "out" / "clswgan" / "generated.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {Path('out', 'clswgan', 'generated.png')}" in output


def test_a_file_says_what_the_command_line_says(run, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "data: synthetic:classes=6,unseen=2,dim=8,samples=20\ndevice: cpu\nseeds: 1\nclassifier: [softmax]\n"
        "set: {steps: 4, hidden: 8, synthetic_per_class: 5}\nd3: {embedding_dim: 8, teacher_epochs: 1}\n"
        "log-every: 2\nout: filed\n"
    )
    run("compare", "--config", "c.yaml")
    run("compare", *TINY, *D3, "--seeds", "1", "--classifier", "softmax", "--out", "typed")
    filed, typed = read_results(tmp_path / "filed"), read_results(tmp_path / "typed")
    assert [(r.arm, r.H, r.AUSUC) for r in filed.runs] == [(r.arm, r.H, r.AUSUC) for r in typed.runs]


FAULTS = [
    (["--generator", "clswgn"], "no generator is called 'clswgn'; did you mean 'clswgan'?"),
    (["--preset", "smal"], "generator 'clswgan' has no preset 'smal'; did you mean 'small'?"),
    (["--set", "hiden=3"], "--set hiden: CLSWGANSettings has no setting 'hiden'; did you mean 'hidden'?"),
    (["--set", "hidden=x"], "--set hidden: expected an integer"),
    (["--d3", "gradient_share=-1"], "gradient_share: expected 0 or more, found -1"),
    (["--d3", "relation=all"], "--d3 relation: expected one of 'classes', 'groups', 'gram'"),
    (["--d3", "teacher=vlm"], "--d3 teacher: has an option of its own, type --teacher vlm"),
    (
        ["--d3", "student_weights={vl-mze: 1}"],
        "--d3 student_weights: no loss is called 'vl-mze'; did you mean 'vl-mse'?",
    ),
    (["--d3", "generator_weights={id2sd/label: 1}"], "did you mean 'id2sd/labels'?"),
    (["--classifier", "softmacs"], "no classifier is called 'softmacs'; did you mean 'softmax'?"),
    (["--seeds", "0"], "expected at least one seed"),
    (["--seeds", "1,1"], "none twice"),
    (["--seeds", "x"], "expected how many seeds"),
    (["--device", "gpu"], "expected auto, cpu or cuda[:n], found 'gpu'"),
    (["--device", "cuda:99"], "'cuda:99' asked for, but this machine has"),
    (["--block", "o2bd"], "did you mean 'o2dbd'?"),
    (["--data", "digit"], "did you mean 'digits'?"),
    (["--log-every", "0"], "--log-every"),
]


@pytest.mark.parametrize(("arguments", "message"), FAULTS, ids=lambda value: str(value)[:30])
def test_a_wrong_setting_is_refused_before_anything_is_trained(run, tmp_path, arguments, message):
    result = CliRunner().invoke(main, ["compare", "--data", "synthetic", "--out", "out", *arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "is not empty" in run("train", *TINY, "--arm", "baseline", "--out", "mine", code=2)
    assert "will not remove it" in run("train", *TINY, "--arm", "baseline", "--out", "mine", "--overwrite", code=2)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    run("train", *TINY, "--arm", "baseline", "--out", "ours")
    run("train", *TINY, "--arm", "baseline", "--out", "ours", "--overwrite")


def test_evaluate_says_what_is_wrong_with_a_run(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "manifest.json: no such file" in run("evaluate", "empty", code=1)
    run("train", *TINY, "--arm", "baseline", "--out", "one")
    moved = "synthetic:classes=6,unseen=2,dim=8,samples=20,seed=1"
    assert "was trained on data with" in run("evaluate", "one", "--data", moved, code=1)
    weights = tmp_path / "one" / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "generator.safetensors: not a safetensors file" in run("evaluate", "one", code=1)
    (tmp_path / "one" / "training.json").unlink()
    assert "training.json: no such file; the run did not end" in run("evaluate", "one", code=1)
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    del manifest["config"]["block"]
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest))
    assert "manifest.json: config: is not as d3wrap wrote it: block missing" in run("evaluate", "one", code=1)
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest | {"config": {}, "dtype": "save"}))
    assert "is not as d3wrap wrote it: data, generator" in run("evaluate", "one", code=1)
    (tmp_path / "one" / "manifest.json").write_text("{")
    assert "cannot be read as JSON" in run("evaluate", "one", code=1)
    (tmp_path / "one" / "manifest.json").write_text("[]")
    assert "is not as d3wrap wrote it" in run("evaluate", "one", code=1)


def test_help_is_good_enough_to_start_from(run):
    text = " ".join(run("compare", "--help").split())
    for words in ("Start here:", "d3wrap compare --config compare.yaml", "paired by seed", "--overwrite", "--d3"):
        assert words in text


def test_where_a_key_stops_training_it_says_how_to_go_on(run, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("d3wrap.cli.train.run_training", stop)
    said = run("train", *TINY, "--arm", "baseline", code=130)
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"stopped; the same command with --out runs/{folder.name} goes on\n" in said
