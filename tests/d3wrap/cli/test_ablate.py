"""``d3wrap ablate``, as typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from d3wrap.ablation.storage import read_ablation
from d3wrap.cli import main
from d3wrap.comparison import job as jobs
from d3wrap.comparison.storage import read_results
from d3wrap.errors import TrainingError

TINY = ["--data", "synthetic:classes=6,unseen=2,dim=8,samples=20", "--device", "cpu", "--protocol", "fixed"]
TINY += ["--set", "steps=2", "--set", "hidden=8", "--set", "synthetic_per_class=3", "--classifier", "softmax"]
TINY += ["--d3", "embedding_dim=4", "--d3", "teacher_epochs=0"]
ABLATE = ["ablate", *TINY, "--out", "out"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


@pytest.fixture
def trained(monkeypatch):
    """Names of the folders that are trained in; a run of one in ``failing`` raises."""

    class Trained(list):
        failing = ()

    found, train = Trained(), jobs.train

    def spy(plan, dataset, arm, seed, plugins, folder, *arguments, **options):
        place = "/".join(folder.path.parts[-2:])
        found.append(place)
        if place in found.failing:
            raise TrainingError("the loss is nan")
        return train(plan, dataset, arm, seed, plugins, folder, *arguments, **options)

    monkeypatch.setattr(jobs, "train", spy)
    return found


def test_the_list_says_what_would_be_trained_and_trains_nothing(run, trained, tmp_path):
    output = run(*ABLATE, "--list", "--seeds", "6")
    assert "29 variants × 6 seeds = 174 runs, baseline and full among them" in output
    assert "without-relation              relation: classes instead of groups" in output
    assert "8 variants × 1 seed = 8 runs" in run(*ABLATE, "--objectives", "--list", "--seeds", "1")
    assert "23 variants × 2 seeds" in run(*ABLATE, "--corrections", "--list", "--seeds", "2")
    assert "--only: no variant is called 'relased'; did you mean" in run(*ABLATE, "--only", "relased", code=2)
    assert trained == []
    assert not (tmp_path / "out").exists()


def test_variants_share_their_baseline_and_seeds(run, trained, tmp_path):
    output = run(*ABLATE, "--only", "without-o2dbd,released", "--seeds", "2")
    assert "4 variants × 2 seeds = 8 runs, baseline and full among them. Results go to out/" in output
    assert "fewer than 6 seeds: no test can be significant" in output
    assert sorted(trained) == [
        f"seed-{seed}/{name}" for seed in (0, 1) for name in ("baseline", "full", "released", "without-o2dbd")
    ]
    assert [place.partition("/")[0] for place in trained] == ["seed-0"] * 4 + ["seed-1"] * 4  # whole seeds first
    found = read_ablation(tmp_path / "out")
    assert {one.name: [(run.arm, run.seed) for run in one.runs] for one in found.variants} == {
        name: [("baseline" if name == "baseline" else "enhanced", seed) for seed in (0, 1)]
        for name in ("baseline", "full", "without-o2dbd", "released")
    }
    assert {run.formulation for run in found.variants[3].runs} == {"released"}
    manifest = json.loads((tmp_path / "out/seed-1/without-o2dbd/manifest.json").read_text())
    assert manifest["config"]["block"] == ["o2dbd"]
    assert "o2dbd" not in manifest["config"]["plugins"]
    assert "wrote out/ablation.json" in output
    assert "wrote out/ablation.csv" in output
    assert "without-o2dbd seed 1" in output


def test_baseline_and_full_are_those_of_compare(run, tmp_path):
    run(*ABLATE, "--only", "full", "--seeds", "1")
    run("compare", *TINY, "--seeds", "1", "--out", "compared")
    compared = {run.arm: run.as_dict() for run in read_results(tmp_path / "compared").runs}
    for one in read_ablation(tmp_path / "out").variants:
        (own,) = one.runs
        found, expected = own.as_dict(), compared[own.arm]
        for record in (found, expected):
            del record["training_seconds"], record["evaluation_seconds"]
        assert found == expected


def test_other_variants_may_follow_and_nothing_is_repeated(run, trained, tmp_path):
    run(*ABLATE, "--only", "without-o2dbd", "--seeds", "1")
    first = read_ablation(tmp_path / "out")
    trained.clear()
    output = run(*ABLATE, "--only", "without-o2dbd,only-o2dbd", "--seeds", "1")
    assert trained == ["seed-0/only-o2dbd"]
    assert "going on with what out/ holds" in output
    assert output.count("(done before)") == 3
    second = read_ablation(tmp_path / "out")
    assert [one.name for one in second.variants] == ["baseline", "full", "without-o2dbd", "only-o2dbd"]
    assert [one.runs for one in second.variants[:3]] == [one.runs for one in first.variants]
    assert "settings.hidden is 8 there and 9 now" in " ".join(
        run(*ABLATE, "--only", "only-o2dbd", "--seeds", "1", "--set", "hidden=9", code=2).split()
    )


def test_a_run_that_fails_takes_its_seed_from_no_other(run, trained, tmp_path):
    trained.failing = ("seed-1/without-o2dbd", "seed-0/released", "seed-1/released")
    output = run(*ABLATE, "--only", "without-o2dbd,released", "--seeds", "2", code=1)
    assert "Error: 3 of 8 runs failed:" in output
    assert "clswgan enhanced, without-o2dbd, seed 1: TrainingError: the loss is nan" in output
    found = {one.name: [run.seed for run in one.runs] for one in read_ablation(tmp_path / "out").variants}
    assert found == {"baseline": [0, 1], "full": [0, 1], "without-o2dbd": [0]}
    assert "fewer seeds than the others: without-o2dbd (1)" in output


def test_what_is_left_out_is_said(run, trained):
    output = run(*ABLATE, "--only", "full", "--seeds", "1", "--formulation", "released")
    assert "released is left out: it is full" in output
    assert "released is left out: it is full" in run(*ABLATE, "--list", "--formulation", "released")


def test_where_every_run_fails_nothing_is_written(run, trained, tmp_path):
    trained.failing = ("seed-0/baseline", "seed-0/full")
    assert "Error: 2 of 2 runs failed" in run(*ABLATE, "--only", "full", "--seeds", "1", code=1)
    assert not (tmp_path / "out" / "ablation.json").exists()


def test_stopped_by_hand_it_says_how_to_go_on(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "train", interrupt)
    output = run(*ABLATE, "--only", "full", "--seeds", "1", code=130)
    assert "stopped; the same command with --out out goes on" in output


def test_a_file_says_what_the_command_line_says(run, trained, tmp_path):
    (tmp_path / "a.yaml").write_text(
        "data: synthetic:classes=6,unseen=2,dim=8,samples=20\ndevice: cpu\nprotocol: fixed\nseeds: 1\nout: out\n"
        "classifier: [softmax]\nset: {steps: 2, hidden: 8, synthetic_per_class: 3}\nonly: [only-id2sd]\n"
        "d3: {embedding_dim: 4, teacher_epochs: 0}\n"
    )
    run("ablate", "--config", "a.yaml")
    assert sorted(trained) == ["seed-0/baseline", "seed-0/full", "seed-0/only-id2sd"]


def test_the_report_of_an_ablation(run, tmp_path):
    run(*ABLATE, "--only", "without-o2dbd", "--seeds", "2")
    output = run("report", "out", "--out", "page.html", "--markdown", "a.md", "--latex", "a.tex", "--csv", "a.csv")
    assert "All of D³ changed H of the softmax classifier by" in output
    assert "wrote page.html" in output
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "| without-o2dbd | " in (tmp_path / "a.md").read_text()
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "out" / "ablation.csv").read_text()
    assert "without-{}o2dbd & " in (tmp_path / "a.tex").read_text()
    run("compare", *TINY, "--seeds", "1", "--out", "compared")
    said = " ".join(run("report", "out", "compared", code=2).split())
    assert "out is an ablation and compared is none: report them one after the other" in said
    run("report", "out/ablation.json")
    assert (tmp_path / "out" / "report.html").is_file()
