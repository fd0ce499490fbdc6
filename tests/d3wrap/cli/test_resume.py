"""The same command goes on, another one is refused, and what fails loses nothing else."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.comparison import job as jobs
from d3wrap.comparison.run_lock import locked
from d3wrap.comparison.storage import read_results
from d3wrap.errors import TrainingError

TRAIN = ["--data", "synthetic:classes=6,unseen=2,dim=8,samples=20", "--device", "cpu", "--out", "out"]
TRAIN += ["--set", "steps=4", "--set", "hidden=8", "--set", "synthetic_per_class=5"]
TRAIN += ["--d3", "embedding_dim=8", "--d3", "teacher_epochs=1", "--protocol", "fixed"]
TINY = [*TRAIN, "--classifier", "softmax"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


@pytest.fixture
def trained(monkeypatch):
    """The (seed, arm) of each run that is trained; those in ``failing`` raise."""

    class Trained(list):
        failing = frozenset()

    found, train = Trained(), jobs.train

    def spy(plan, dataset, arm, seed, *arguments, **options):
        found.append((seed, arm))
        if (seed, arm) in found.failing:
            raise TrainingError("step 3: term 'size' of plugin 'spy' is nan")
        return train(plan, dataset, arm, seed, *arguments, **options)

    monkeypatch.setattr(jobs, "train", spy)
    return found


def numbers(results):
    """All of the results but seconds."""
    runs = [run.as_dict() for run in results.runs]
    return [{key: value for key, value in run.items() if not key.endswith("_seconds")} for run in runs]


def test_what_is_finished_is_not_repeated(run, trained, tmp_path):
    first = run("compare", *TINY, "--seeds", "2")
    before = read_results(tmp_path / "out")
    assert len(trained) == 4
    (tmp_path / "out" / "clswgan" / "seed-1" / "enhanced" / "result.json").write_text("[{")
    output = run("compare", *TINY, "--seeds", "2")
    assert len(trained) == 4  # the broken result is measured again from the weights
    assert numbers(read_results(tmp_path / "out")) == numbers(before)
    assert "going on with what out/ holds" in output
    assert "going on" not in first
    assert output.count("(done before)") == 3
    assert json.loads((tmp_path / "out" / "run.json").read_text())["what"] == "compare"


def test_a_run_that_was_not_finished_is(run, trained, tmp_path):
    run("compare", *TINY, "--seeds", "2")
    before = read_results(tmp_path / "out")
    folder = tmp_path / "out" / "clswgan" / "seed-0" / "enhanced"
    for path in folder.iterdir():
        if path.name != "manifest.json":
            path.unlink()
    (folder / ".manifest.json.abc.tmp").write_text("half")
    trained.clear()
    run("compare", *TINY, "--seeds", "2")
    assert trained == [(0, "enhanced")]
    assert numbers(read_results(tmp_path / "out")) == numbers(before)
    assert not list(folder.glob(".*.tmp"))


def test_other_settings_are_refused_with_the_difference(run, tmp_path):
    run("compare", *TINY, "--seeds", "1")
    before = (tmp_path / "out" / "results.json").read_bytes()
    message = " ".join(run("compare", *TINY, "--seeds", "2", "--set", "hidden=9", code=2).split())
    assert (
        "it holds a run with other settings: seeds is [0] there and [0, 1] now, settings.hidden is 8 there and 9"
        in (message)
    )
    assert "add --overwrite to remove it" in message
    assert 'what is "compare" there and "train" now' in run("train", *TRAIN, code=2)
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    run("compare", *TINY, "--seeds", "1", "--set", "hidden=9", "--overwrite")


def test_other_data_behind_the_same_words_are_refused(run, tmp_path):
    run("compare", *TINY, "--seeds", "1")
    path = tmp_path / "out" / "clswgan" / "seed-0" / "baseline" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["dataset"]["provenance"]["features"] = "others"
    path.write_text(json.dumps(manifest))
    message = " ".join(run("compare", *TINY, "--seeds", "1", code=1).split())
    assert 'holds another run: dataset.provenance.features is "others" there and "synthetic' in message


@pytest.mark.parametrize("failing", [{(1, "baseline")}, {(0, "baseline"), (0, "enhanced")}])
def test_a_run_that_fails_stops_no_other(run, trained, tmp_path, failing):
    trained.failing = failing
    output = run("compare", *TINY, "--seeds", "2", code=1)
    assert len(trained) == 4
    (left,) = {0, 1} - {seed for seed, _ in failing}
    assert {(one.seed, one.arm) for one in read_results(tmp_path / "out").runs} == {
        (left, "baseline"),
        (left, "enhanced"),
    }
    for seed, arm in failing:
        error = (tmp_path / "out" / "clswgan" / f"seed-{seed}" / arm / "error.txt").read_text()
        assert error.startswith("Traceback")
        assert error in output
        assert f"clswgan {arm}, seed {seed}: TrainingError: step 3: term 'size' of plugin 'spy' is nan" in output
    assert f"{len(failing)} of 4 runs failed" in output
    trained.failing = frozenset()
    trained.clear()
    run("compare", *TINY, "--seeds", "2")
    assert set(trained) == failing
    assert len(read_results(tmp_path / "out").runs) == 4
    assert not list((tmp_path / "out").glob("**/error.txt"))


def test_where_all_runs_fail_no_result_is_written(run, trained, tmp_path):
    trained.failing = {(0, "baseline"), (0, "enhanced")}
    assert "2 of 2 runs failed" in run("compare", *TINY, "--seeds", "1", code=1)
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_run_another_process_is_at_is_left_to_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr("d3wrap.comparison.run_lock.PATIENCE", 0.1)
    run("compare", *TINY, "--seeds", "1")
    folder = tmp_path / "out" / "clswgan" / "seed-0" / "baseline"
    (folder / "result.json").unlink()
    with locked(folder):
        output = run("compare", *TINY, "--seeds", "1", code=1)
    assert f"DataError: out/clswgan/seed-0/baseline: process {os.getpid()} on " in output
    assert "is at work on this run; wait for it or end it" in output
    assert not (folder / "error.txt").exists()  # the folder is the other's
    run("compare", *TINY, "--seeds", "1")


def test_processes_give_what_one_gives(run, tmp_path):
    run("compare", *TINY, "--seeds", "2", "--threads", "1", "--out", "one")
    run("compare", *TINY, "--seeds", "2", "--threads", "1", "--jobs", "2", "--out", "two")
    assert_same_files(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "engine"), [("slurm", "submitit"), ("ray", "ray")])
def test_other_executors_give_what_local_gives(run, tmp_path, executor, engine):
    pytest.importorskip(engine, reason=f"{engine} is not installed: pip install 'd3wrap[{executor}]'")
    options = ["--executor-option", "cluster=local"] if executor == "slurm" else []
    run("compare", *TINY, "--seeds", "2", "--threads", "1", "--out", "local")
    run("compare", *TINY, "--seeds", "2", "--jobs", "2", "--executor", executor, *options, "--out", executor)
    assert_same_files(tmp_path / "local", tmp_path / executor)


def assert_same_files(one, other):
    """Assert that two folders hold the same bits but for seconds, dates and the command typed."""
    found = []
    for folder in (one, other):
        results = json.loads((folder / "results.json").read_text())
        for entry in results["runs"]:
            del entry["training_seconds"], entry["evaluation_seconds"]
        weights = {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("**/*.safetensors")}
        assert len(weights) == 6
        found.append((json.dumps({k: v for k, v in results.items() if k not in ("created", "command")}), weights))
    assert found[0] == found[1]


def test_the_documentation_names_every_file_of_a_run(run, trained, tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    section = page.partition("\n## The folder of a run\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `([^`]+)` \|", section, flags=re.M)
    trained.failing = {(1, "enhanced")}
    run("compare", *TINY, "--seeds", "2", "--checkpoint-every", "0", code=1)
    found = {path.name for folder in (tmp_path / "out").glob("clswgan/seed-*/*") for path in folder.iterdir()}
    assert {"error.txt", "result.json"} <= found <= set(documented)
    top = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert top == {"results.json", "results.csv", "run.json"}
    assert all(f"| `{name}` |" in page for name in top)


def test_threads_are_those_of_the_run_that_is_gone_on_with(run, tmp_path):
    run("compare", *TINY, "--seeds", "1", "--threads", "1")
    assert "(done before)" in run("compare", *TINY, "--seeds", "1")
    assert read_results(tmp_path / "out").config["threads"] == 1
    assert "threads is 1 there and 2 now" in run("compare", *TINY, "--seeds", "1", "--threads", "2", code=2)


def test_train_goes_on_or_is_done(run, tmp_path):
    run("train", *TRAIN, "--arm", "baseline")
    weights = (tmp_path / "out" / "generator.safetensors").read_bytes()
    assert "is trained already" in run("train", *TRAIN, "--arm", "baseline")
    (tmp_path / "out" / "training.json").unlink()
    assert "going on with what out/ holds" in run("train", *TRAIN, "--arm", "baseline")
    assert (tmp_path / "out" / "generator.safetensors").read_bytes() == weights
    assert 'arm is "baseline" there and "enhanced" now' in run("train", *TRAIN, code=2)


def test_stopped_by_hand_it_says_how_to_go_on(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "train", interrupt)
        assert "stopped; the same command with --out out goes on" in run("compare", *TINY, "--seeds", "1", code=130)
    assert "going on" in run("compare", *TINY, "--seeds", "1")


def test_options_of_an_executor_are_checked(run):
    assert "local has none" in run("compare", *TINY, "--executor-option", "partition=gpu", code=2)
