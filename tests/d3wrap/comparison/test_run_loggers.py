"""Plugins are told how a run goes: everything, once, in order, and without moving a bit of it."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from d3wrap.comparison import job as jobs
from d3wrap.comparison.job import Job, run_job
from d3wrap.comparison.run import Plan
from d3wrap.comparison.run_loggers import RunLoggers
from d3wrap.errors import PluginError, TrainingError
from d3wrap.loggers import load_loggers
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings

NOTES = """
import torch

import d3wrap

calls = []
fail_at = None


@d3wrap.hookimpl
def on_run_start(run):
    torch.rand(3)
    calls.append(("start", run.folder, run.manifest, (run.folder / "metrics.jsonl").exists()))


@d3wrap.hookimpl
def on_log(run, record):
    torch.manual_seed(record.step)
    if record.step == fail_at:
        raise OSError("disk full")
    calls.append(("log", record.step, dict(record.losses), record.seconds, record.total))


@d3wrap.hookimpl
def on_run_end(run, results):
    torch.rand(3)
    calls.append(("end", [result.as_dict() for result in results], (run.folder / "result.json").exists()))
"""


@pytest.fixture
def notes(install):
    """The module of an installed logger that writes down what it is told, draws and fails."""
    name = install("notes", NOTES, group="d3wrap.loggers")
    return lambda: sys.modules[name]


def make_job(folder, log_to=("notes",), arm="enhanced", **changes):
    plan = Plan(
        "clswgan",
        settings={"steps": 6, "hidden": 8, "noise_dim": 3, "batch_size": 8, "synthetic_per_class": 5},
        d3=D3Settings(teacher_epochs=1, embedding_dim=8),
        classifiers=("softmax", "student"),
        log_every=2,
        source={"source": "synthetic:classes=6,unseen=2,dim=8,samples=20"},
    )
    options = {"device": "cpu", "threads": 1, "checkpoint_every": 0} | changes
    return Job(plan, arm, 0, folder, load_plugins(environ={}).names, log_to=log_to, **options)


def left_by(folder):
    """What must not depend on who looks on."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    results = json.loads((folder / "result.json").read_text())
    for one in (*lines, *results):
        for key in ("seconds", "training_seconds", "evaluation_seconds"):
            one.pop(key, None)
    manifest = {k: v for k, v in json.loads((folder / "manifest.json").read_text()).items() if k != "created"}
    weights = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    return {"lines": lines, "results": results, "manifest": manifest, "weights": weights}


def told(module, kind):
    return [call for call in module.calls if call[0] == kind]


def test_a_logger_is_told_all_that_the_folder_holds(notes, tmp_path):
    run_job(make_job(tmp_path / "run"))
    calls, folder = notes().calls, tmp_path / "run"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert calls[0] == ("start", folder, json.loads((folder / "manifest.json").read_text()), False)
    assert calls[1:-1] == [("log", one["step"], one["losses"], one["seconds"], one["total"]) for one in lines]
    assert calls[-1] == ("end", json.loads((folder / "result.json").read_text()), False)


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_a_run_has_the_same_bits_with_and_without(notes, tmp_path, arm):
    run_job(make_job(tmp_path / "with", arm=arm))
    run_job(make_job(tmp_path / "without", (), arm=arm))
    assert len(notes().calls) == 5
    assert left_by(tmp_path / "with") == left_by(tmp_path / "without")


def test_what_a_logger_draws_moves_no_stream(notes, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "metrics.jsonl").write_text('{"step": 2, "losses": {}, "seconds": 0.5, "total": 2}\n')
    before = torch.get_rng_state()
    with RunLoggers(tmp_path, load_plugins(environ={}), ["notes"], torch.device("cpu")) as loggers:
        for tell in (loggers.start, loggers.follow, lambda: loggers.end(())):
            tell()
            assert torch.equal(torch.get_rng_state(), before)
    assert len(notes().calls) == 3


@pytest.mark.parametrize("checkpoint_every", [0, 1000])
def test_after_a_break_all_is_told_anew_once(notes, tmp_path, checkpoint_every):
    job = make_job(tmp_path / "run", checkpoint_every=checkpoint_every)
    run_job(make_job(tmp_path / "other", ()))
    # The fault is in the hook, after the line was written: as if the process had been killed between the two.
    load_loggers(["notes"])
    notes().fail_at = 4
    with pytest.raises(PluginError, match=r"^plugin 'notes', hook on_log: OSError: disk full$"):
        run_job(job)
    assert "OSError: disk full" in (job.folder / "error.txt").read_text()
    assert [call[:2] for call in notes().calls[1:]] == [("log", 2), ("end", [])]
    notes().fail_at = None
    notes().calls.clear()
    run_job(job)
    assert [call[0] for call in notes().calls] == ["start", "log", "log", "log", "end"]
    assert [call[1] for call in told(notes(), "log")] == [2, 4, 6]
    assert left_by(tmp_path / "run") == left_by(tmp_path / "other")


def test_a_run_that_was_trained_without_is_told_of_when_it_is_measured(notes, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "measure", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_job(make_job(tmp_path / "run", ()))
    run_job(make_job(tmp_path / "run"))
    assert [call[0] for call in notes().calls] == ["start", "log", "log", "log", "end"]
    run_job(make_job(tmp_path / "run"))  # finished: nothing is done, and nothing told
    assert len(notes().calls) == 5


def test_a_run_that_fails_ends_without_results(notes, tmp_path, monkeypatch):
    def broken(*_):
        raise TrainingError("no")

    monkeypatch.setattr(jobs, "measure", broken)
    with pytest.raises(TrainingError):
        run_job(make_job(tmp_path / "run"))
    assert notes().calls[-1] == ("end", [], False)
    assert len(told(notes(), "end")) == 1


def test_a_plugin_that_is_always_there_is_told_too_and_recorded(install, tmp_path):
    name = install("always", NOTES)
    run_job(make_job(tmp_path / "run", ()))
    assert [call[0] for call in sys.modules[name].calls] == ["start", "log", "log", "log", "end"]
    assert "always" in json.loads((tmp_path / "run" / "manifest.json").read_text())["config"]["plugins"]


def test_a_hook_that_returns_something_is_told_so(install, tmp_path):
    install("wrong", NOTES.replace('calls.append(("log"', 'return (("log"'), group="d3wrap.loggers")
    with pytest.raises(PluginError, match="plugin 'wrong', hook on_log: must return nothing, returned tuple"):
        run_job(make_job(tmp_path / "run", ("wrong",)))
