"""``d3wrap distill`` as typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from d3wrap.cli import main

QUICK = ["--set", "size=8", "--set", "crop=8", "--set", "width=4", "--set", "epochs=1", "--set", "averaged=1"]
QUICK += ["--set", "batch_size=256", "--set", "tuning_epochs=1", "--set", "shots=2", "--threads", "1"]


def run(*arguments):
    return CliRunner().invoke(main, ["distill", *arguments])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_recipes_from_one_seed_are_shown_side_by_side_and_gone_on_with(out):
    arguments = [*QUICK, "--recipe", "cls", "--recipe", "cls+mse", "--weight", "vl-mse=0.5", "--out", str(out)]
    done = run(*arguments, "--export", "--pictures")
    assert done.exit_code == 0, done.output
    assert "recipe 2: cls+mse@own" in done.output
    assert "zero-shot" in done.output
    assert "going on" not in done.output
    found = json.loads((out / "results.json").read_text())["recipes"]
    assert [one["recipe"] for one in found] == ["cls@own", "cls+mse@own"]
    assert (out / "cls@own" / "seed-0" / "features.safetensors").exists()
    assert (out / "cls@own" / "seed-0" / "neighbours.png").exists()
    manifest = json.loads((out / "cls+mse@own" / "seed-0" / "manifest.json").read_text())
    assert manifest["config"]["weights"] == {"vl-mse": 0.5}
    again = run(*arguments)
    assert again.exit_code == 0, again.output
    assert "going on with what" in again.output
    assert json.loads((out / "results.json").read_text())["recipes"] == found
    student = out / "cls@own" / "seed-0" / "student.safetensors"
    trained = student.stat().st_mtime_ns
    more = run(*QUICK, "--weight", "vl-mse=0.5", "--recipe", "cls", "--recipe", "contrastive", "--out", str(out))
    assert more.exit_code == 0, more.output
    assert student.stat().st_mtime_ns == trained
    later = json.loads((out / "results.json").read_text())["recipes"]
    assert [one["recipe"] for one in later] == ["cls@own", "contrastive@own"]
    assert later[0] == found[0]
    other = run(*QUICK, "--recipe", "cls", "--out", str(out))
    assert other.exit_code == 2
    assert "holds a run with other settings" in other.output


def test_a_student_on_features_is_distilled_from_a_file(out, tmp_path):
    np.save(tmp_path / "teacher.npy", np.random.default_rng(0).normal(size=(1797, 5)).astype(np.float32))
    done = run(
        *QUICK, "--preset", "features", "--set", "hidden=8", "--teacher", str(tmp_path / "teacher.npy"),
        "--text", "mine=own", "--recipe", "contrastive+proximity@mine", "--out", str(out),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "recipe 1: contrastive+proximity@mine" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "clss"], "no objective is called 'clss'; did you mean 'cls'"),
        (["--weight", "cls=much"], "--weight cls: expected a number, found 'much'"),
        (["--text", "a+b=own"], "the name without + and @"),
        (["--text", "a=own", "--text", "a=own"], "two are called 'a'"),
        (["--text", "a=nothing.npy"], "expected 'own' or a .safetensors file of `d3wrap semantics build`"),
        (["--set", "epoch=3"], "has no setting 'epoch'; did you mean 'epochs'"),
        (["--recipe", "cls", "--teacher", "what"], "--teacher: expected 'features'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(out, arguments, message):
    done = run(*arguments, "--out", str(out))
    assert done.exit_code == 2, done.output
    assert message in done.output.replace("\n", " ")
    assert not list(out.glob("*/seed-*")) if out.exists() else True


def test_runs_that_fail_are_named_and_the_others_are_kept(out):
    done = run(*QUICK, "--recipe", "cls", "--recipe", "caption", "--out", str(out))
    assert done.exit_code == 1
    assert "1 of 2 runs failed: caption@own, seed 0: PluginError" in done.output
    assert "give --captions" in done.output
    assert (out / "cls@own" / "seed-0" / "result.json").exists()
    assert "give --captions" in (out / "caption@own" / "seed-0" / "error.txt").read_text()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--teacher", "timm:resnet10t"], "needs images in colour: give --images"),
        (["--set", "student=residual", "--data", "synthetic"], "give --images, or for a student on features --preset"),
    ],
)
def test_what_is_wrong_before_a_run_leaves_nothing_in_the_way_of_the_mended_command(wrong, message, out):
    refused = run(*QUICK, *wrong, "--recipe", "mse", "--out", str(out))
    assert refused.exit_code != 0
    assert message in refused.output
    assert not out.exists()
    done = run(*QUICK, "--recipe", "mse", "--set", "shots=0", "--out", str(out))
    assert done.exit_code == 0, done.output


def test_a_finished_distillation_is_kept_whatever_the_next_command_gets_wrong(out):
    command = [*QUICK, "--set", "shots=0", "--recipe", "mse", "--text", "mine=own", "--out", str(out)]
    assert run(*command).exit_code == 0
    before = (out / "results.json").read_bytes()
    assert run(*command, "--teacher", "timm:resnet10t").exit_code != 0
    assert (out / "results.json").read_bytes() == before


def test_a_text_that_is_not_there_is_said_to_be_that():
    said = run(*QUICK, "--text", "names=nothere.safetensors").output
    assert "--text names=nothere.safetensors: nothere.safetensors: no such file; `d3wrap semantics build" in said
