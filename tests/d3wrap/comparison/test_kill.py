"""A run that is killed with ``kill -9``, wherever it is, ends with the bits of one that was not."""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d3wrap.comparison.job import Job, run_job
from d3wrap.comparison.run import Plan
from d3wrap.manager import load_plugins
from d3wrap.protocol.choice import Search
from d3wrap.settings import D3Settings

PLUGINS = load_plugins(environ={}).names
DATA = {"source": "digits", "features": None, "split": None, "semantics": "att", "scale": "minmax"}
SETTINGS = {
    "clswgan": {"steps": 24, "hidden": 16, "noise_dim": 4},
    "tfvaegan": {"steps": 12, "hidden": 16, "decoder_steps": 12, "decoder_hidden": 16},
    "gsmflow": {"steps": 20, "hidden": 16, "condition_dim": 8, "blocks": 2},
}
SECONDS = ("training_seconds", "evaluation_seconds")


def job_of(folder: Path, generator: str, arm: str, protocol: str) -> Job:
    plan = Plan(
        generator,
        settings={**SETTINGS[generator], "batch_size": 32, "synthetic_per_class": 20},
        d3=D3Settings(teacher_epochs=1, embedding_dim=16),
        classifiers=("softmax",),
        log_every=5,
        source=DATA,
        protocol=protocol,
        search=Search(points=2, folds=2),
    )
    return Job(plan, arm, 0, folder, PLUGINS, device="cpu", threads=1, checkpoint_every=0)


@pytest.fixture(scope="module")
def start():
    """Return a function that starts a job in a process of its own, forked from one that has torch loaded."""
    context = multiprocessing.get_context("forkserver")
    # torch imports torch._dynamo, which takes seconds, when an optimizer makes its first step.
    context.set_forkserver_preload(["d3wrap.comparison.job", "d3wrap.plugins.tfvaegan", "torch._dynamo"])
    context.Process(target=int).start()  # the server starts once

    def start(job):
        process = context.Process(target=run_job, args=(job,))
        process.start()
        return process

    return start


def left_by(folder: Path):
    """All that a run leaves, but for seconds and dates."""
    results = json.loads((folder / "result.json").read_text())
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for one in (*results, *lines):
        for key in (*SECONDS, "seconds"):
            one.pop(key, None)
    if (folder / "choice.json").exists():
        results.append({**json.loads((folder / "choice.json").read_text()), "seconds": None})
    weights = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    files = sorted(path.name for path in folder.iterdir())
    return {"results": results, "metrics": lines, "files": files} | weights


def kill_until_done(start, job, draw, longest, wanted):
    """Kill a job at moments drawn at random, at most ``wanted`` times, until it is done; return how often."""
    kills = 0
    while True:
        process = start(job)
        process.join(draw.uniform(0, longest) if kills < wanted else None)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        elif process.exitcode == 0:
            return kills
        else:
            pytest.fail((job.folder / "error.txt").read_text())


def check(start, folder, generator, arm, protocol, seed, wanted):
    """Kill runs of one kind ``wanted`` times in all, and compare each that comes to its end with one left alone."""
    whole = job_of(folder / "whole", generator, arm, protocol)
    began = time.monotonic()
    process = start(whole)
    process.join()
    assert process.exitcode == 0
    longest = time.monotonic() - began
    expected, draw, kills = left_by(whole.folder), random.Random(seed), 0
    while kills < wanted:
        job = job_of(folder / f"from-{kills}", generator, arm, protocol)
        kills += kill_until_done(start, job, draw, longest, wanted - kills)
        found = left_by(job.folder)
        assert [key for key in expected if found.get(key) != expected[key]] == []
        assert found.keys() == expected.keys()
    return kills


@pytest.mark.parametrize(
    ("arm", "protocol", "wanted"), [("baseline", "fixed", 1), ("baseline", "honest", 2), ("enhanced", "honest", 2)]
)
def test_five_kills(start, tmp_path, arm, protocol, wanted):
    assert check(start, tmp_path, "clswgan", arm, protocol, 0, wanted) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("generator", "arm", "protocol", "wanted"),
    [
        ("clswgan", "baseline", "honest", 8),
        ("clswgan", "enhanced", "honest", 9),
        ("tfvaegan", "baseline", "paper", 8),
        ("tfvaegan", "enhanced", "honest", 9),
        ("gsmflow", "baseline", "fixed", 8),
        ("gsmflow", "enhanced", "fixed", 8),
    ],
)
def test_fifty_kills(start, tmp_path, generator, arm, protocol, wanted):
    if generator == "gsmflow":
        pytest.importorskip("FrEIA")
    assert check(start, tmp_path, generator, arm, protocol, 1, wanted) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_command_is_killed_and_typed_again(tmp_path, jobs):
    options = ["--data", "digits", "--device", "cpu", "--set", "steps=150", "--set", "hidden=16", "--seeds", "1"]
    options += ["--set", "synthetic_per_class=20", "--d3", "teacher_epochs=1", "--classifier", "softmax"]
    options += ["--checkpoint-every", "0", "--threads", "1", "--jobs", str(jobs)]
    command = [sys.executable, "-c", "from d3wrap.cli import main; main()", "compare", *options]
    subprocess.run([*command, "--out", "whole"], cwd=tmp_path, check=True, capture_output=True)
    process = subprocess.Popen([*command, "--out", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "clswgan" / "seed-0"
    deadline = time.monotonic() + 60
    while not list(folder.glob("enhanced/checkpoints/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    again = subprocess.run([*command, "--out", "killed"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "going on with what killed/ holds" in again.stdout
    names = [sorted(path.name for path in (tmp_path / out).iterdir()) for out in ("killed", "whole")]
    assert names[0] == names[1]
    for arm in ("baseline", "enhanced"):
        assert left_by(folder / arm) == left_by(tmp_path / "whole" / "clswgan" / "seed-0" / arm)
