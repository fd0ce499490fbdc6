"""``d3wrap tune``: what it says and writes, that it goes on wherever it was killed, and what compare makes of it."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import d3wrap
from d3wrap.cli import main
from d3wrap.comparison import run_lock
from d3wrap.tuning import search as searches
from d3wrap.tuning.tuned import read_tuned, write_tuned

pytest.importorskip("optuna")

DATA = ["--data", "synthetic:classes=12,unseen=4,dim=6,samples=10", "--device", "cpu", "--threads", "1"]
DATA += ["--set", "steps=4", "--set", "hidden=8", "--set", "synthetic_per_class=4"]
DATA += ["--d3", "embedding_dim=4", "--d3", "teacher_epochs=1", "--choose-points", "2", "--choose-folds", "1"]
TUNE = ["tune", *DATA, "--trials", "2", "--seeds", "1", "--out", "out"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder with a search that has ended, and what it printed."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        result = CliRunner().invoke(main, TUNE)
    assert result.exit_code == 0, result.output
    return folder / "out", result.output


@pytest.fixture
def ended(once, tmp_path):
    """What that search printed; its folder is ``out``."""
    shutil.copytree(once[0], tmp_path / "out")
    return once[1]


def trials_in(folder):
    """All trials of a folder, but for their seconds."""
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def test_it_says_what_it_does_and_keeps_every_trial(ended, tmp_path):
    output = ended
    assert "each arm: 2 trials, 1 seed each, in validation worlds of the training images" in output
    assert "baseline searches set.lr=0.0001..0.0016:log  set.classification_weight=0.0025..0.04:log\n" in output
    assert "enhanced searches set.lr=0.0001..0.0016:log  set.classification_weight=0.0025..0.04:log  d3.gr" in output
    assert output.count(" trial  0 ") == output.count(" trial  1 ") == 2
    assert "best is the highest of 2 noisy trials, so it is optimistic" in output
    trials = trials_in(tmp_path / "out")
    assert [(one["arm"], one["number"]) for one in trials] == [
        (arm, n) for n in range(2) for arm in ("baseline", "enhanced")
    ]
    found = read_tuned(tmp_path / "out")
    for arm, best in found.arms.items():
        own = [one for one in trials if one["arm"] == arm]
        assert best.value == max(one["value"] for one in own)
        assert best.default == own[0]["value"]
        assert best.settings == own[best.trial]["parameters"]
        assert best.trials == 2
    assert found.searched["set"] == {"steps": 4, "hidden": 8, "synthetic_per_class": 4}
    assert found.searched["d3"] == {"embedding_dim": 4, "teacher_epochs": 1}
    assert found.validation["space"]["d3.alpha"] == "2.5..40.0:log"
    assert not list((tmp_path / "out").rglob("*.safetensors"))


def test_the_same_command_goes_on_and_trains_nothing_again(run, ended, tmp_path, monkeypatch):
    before = trials_in(tmp_path / "out")
    stored = (tmp_path / "out" / "tuned.yaml").read_bytes()
    monkeypatch.setattr(searches, "attempt", None)
    output = run(*TUNE)
    assert "going on with what out/ holds" in output
    assert output.count("(done before)") == 4
    assert trials_in(tmp_path / "out") == before
    assert (tmp_path / "out" / "tuned.yaml").read_bytes() == stored


def test_more_trials_go_on_from_those_there_are(run, ended, tmp_path):
    before = trials_in(tmp_path / "out")
    output = run(*TUNE, "--trials", "3")
    assert output.count("(done before)") == 4
    assert trials_in(tmp_path / "out")[:4] == before
    assert len(trials_in(tmp_path / "out")) == 6
    assert read_tuned(tmp_path / "out").arms["enhanced"].trials == 3
    assert "holds 3 trials of an arm, more than 1" in run(*TUNE, "--trials", "1", code=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--search", "set.lr=1e-4..1e-3"], r'search.set.lr is "0.0001..0.0016:log" there and "0.0001..0.001" now'),
        (["--search-seed", "1"], "search_seed is 0 there and 1 now"),
        (["--seeds", "3,4"], "seeds is [0] there and [3, 4] now"),
        (["--data", "digits"], 'source is "synthetic:classes=12'),
        (["--set", "steps=6"], "settings.steps is 4 there and 6 now"),
        (["--classifier", "student"], 'classifier is "softmax" there and "student" now'),
        (["--prune"], "prune is false there and true now"),
        (["--choose-points", "1"], "choose_points is 2 there and 1 now"),
    ],
)
def test_another_search_in_its_folder_is_refused(run, ended, options, message):
    output = run(*TUNE, *options, code=2)
    assert message in output
    assert "add --overwrite" in output


def test_stopped_it_says_how_to_go_on(run, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("d3wrap.cli.tune.search", stopped)
    assert "stopped; the same command with --out out goes on" in run(*TUNE, code=130)
    assert not (tmp_path / "out" / "tuned.yaml").exists()


def test_other_data_under_the_same_name_are_refused(run, tmp_path):
    dataset = d3wrap.synthetic(12, 4, 6, 4, 10)
    names = ("features", "labels", "semantics", "train", "test_seen", "test_unseen", "seen", "unseen")
    arrays = {name: getattr(dataset, name).numpy() for name in names}
    np.savez(tmp_path / "data.npz", **arrays)
    run(*TUNE, "--data", "data.npz")
    arrays["features"] = arrays["features"] + 1
    np.savez(tmp_path / "data.npz", **arrays)
    assert "holds another run: dataset.provenance.sha256.data.npz is" in run(*TUNE, "--data", "data.npz", code=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--search", "lr=1..2"], "Error: --search lr: expected set.KEY for a setting of the generator"),
        (["--search", "lr=1..2"], "did you mean 'set.lr'?"),
        (["--search", "d3.alfa=1..2"], "did you mean 'd3.alpha'?"),
        (["--search", "set.hidden=8"], "Error: --search set.hidden: expected LOW..HIGH"),
        (["--search", "set.hidden=0.5..8"], "Error: --search set.hidden: expected an integer, found the number 0.5"),
        (["--trials", "0"], "Invalid value for '--trials'"),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
        (["--generator", "clsgan"], "did you mean 'clswgan'?"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(run, tmp_path, options, message):
    code = 1 if options[0] == "--generator" else 2
    assert message in run(*TUNE, *options, code=code)
    assert not (tmp_path / "out").exists()


def test_a_file_gives_the_space(run, tmp_path):
    text = {
        "trials": 2,
        "search": {
            "set.lr": "1e-4..1e-2:log",
            "d3": {"relation": ["groups", "gram"], "student_weights": {"id2sd": "0..2"}},
        },
    }
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
    output = run("tune", *DATA, "--seeds", "1", "--out", "out", "--config", "tune.yaml")
    assert "baseline searches set.lr=0.0001..0.01:log\n" in output
    assert "d3.relation=groups|gram  d3.student_weights.id2sd=0.0..2.0\n" in output
    (tmp_path / "tune.yaml").write_text("search:\n  set.lr: 1e-4..1e-2:log\n  set.lrr: 1..2\n")
    output = run("tune", *DATA, "--out", "other", "--config", "tune.yaml", code=2)
    assert "tune.yaml:3: search.set.lrr: expected set.KEY" in output


def test_without_optuna_the_line_to_type_is_given(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'd3wrap[tune]'" in run(*TUNE, code=1)
    assert not (tmp_path / "out").exists()


def test_two_searches_in_one_folder_are_refused(run, ended, tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "PATIENCE", 0.1)
    with run_lock.locked(tmp_path / "out"):
        assert "is at work on this run" in run(*TUNE, code=1)


COMPARE = ["compare", *DATA, "--tuned", "out", "--seeds", "1", "--classifier", "softmax", "--out", "compared"]


def test_compare_trains_each_arm_with_what_was_found_for_it(run, ended, tmp_path):
    stored = read_tuned(tmp_path / "out")
    settings = dict.fromkeys(stored.arms["enhanced"].settings, 0.3)
    enhanced = dataclasses.replace(stored.arms["enhanced"], settings=settings, trials=3)
    write_tuned(tmp_path / "out", dataclasses.replace(stored, arms={**stored.arms, "enhanced": enhanced}))
    found = read_tuned(tmp_path / "out")
    assert found.arms["baseline"].settings["set.lr"] != 0.3
    output = run(*COMPARE)
    assert "each arm with its own settings, the best of 3 trials: out/tuned.yaml" in output
    for arm, best in found.arms.items():
        manifest = json.loads((tmp_path / "compared" / "clswgan" / "seed-0" / arm / "manifest.json").read_text())
        config = manifest["config"]
        assert config["settings"]["lr"] == best.settings["set.lr"]
        assert config["settings"]["steps"] == 4
        assert config["d3"]["alpha"] == best.settings.get("d3.alpha", 10.0)
        assert config["d3"]["student_weights"] == (
            {"id2sd": best.settings["d3.student_weights.id2sd"]} if arm == "enhanced" else {}
        )
        assert config["tuned"]["settings"] == best.settings
        assert config["tuned"]["sha256"] == found.sha256
    results = json.loads((tmp_path / "compared" / "results.json").read_text())
    assert results["config"]["tuned"] == [json.loads(json.dumps(found.as_dict()))]
    assert "(done before)" in run(*COMPARE)
    assert "clswgan enhanced, seed 0, on synthetic" in run("evaluate", "compared/clswgan/seed-0/enhanced")


def test_compare_refuses_what_was_not_tuned(run, ended, tmp_path):
    assert "set.steps is 4 there and 5 now" in run(*COMPARE, "--set", "steps=5", code=2)
    assert 'preset is "small" there and "paper" now' in run(*COMPARE, "--preset", "paper", code=2)
    assert not (tmp_path / "compared").exists()
    (tmp_path / "out" / "tuned.yaml").unlink()
    assert "no such file; where a search has not ended" in run(*COMPARE, code=2)


def test_the_command_it_names_next_is_the_comparison(run, tmp_path):
    output = run(*TUNE, "--d3", "student_weights={id2sd: 0.5}", "--set", "noise_dim=null", "--block", "flow,vae")
    (line,) = [line for line in output.splitlines() if line.startswith("next: ")]
    words = shlex.split(line.removeprefix("next: "))
    assert words[:4] == ["d3wrap", "compare", "--tuned", "out"]
    output = run(*words[1:], "--seeds", "1", "--classifier", "softmax", "--out", "compared")
    assert "each arm with its own settings" in output


def test_a_timeout_ends_both_arms_alike(run, tmp_path):
    output = run(*TUNE, "--trials", "50", "--timeout", "0.001")
    assert "each arm: 50 trials, or until 0.001 s are over, 1 seed each" in output
    assert [one["number"] for one in trials_in(tmp_path / "out")] == [0, 0]
    assert read_tuned(tmp_path / "out").arms["baseline"].trials == 1
