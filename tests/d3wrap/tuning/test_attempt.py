"""A trial's training: in validation worlds alone, once, and never with a look at test rows."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest

import d3wrap
from d3wrap.comparison.job import Job
from d3wrap.comparison.run import build
from d3wrap.errors import DataError, TrainingError
from d3wrap.executors import make_executor
from d3wrap.manager import load_plugins
from d3wrap.protocol import Vault
from d3wrap.protocol.choice import choose
from d3wrap.tuning import attempt as attempts
from d3wrap.tuning.attempt import attempt, ended, outcome
from d3wrap.tuning.search import search
from d3wrap.tuning.setup import begin, make_tuning

pytest.importorskip("optuna")
PLUGINS = load_plugins(environ={})


def job_of(plan, folder, arm="enhanced", seed=1):
    return Job(plan, arm, seed, folder, PLUGINS.names, device="cpu", threads=1)


def load(plan):
    arguments = dict(plan.source)
    return d3wrap.load_dataset(arguments.pop("source"), **arguments)


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_it_reaches_what_choosing_reaches(plan, tmp_path, arm):
    attempt(job_of(plan, tmp_path, arm))
    found = outcome(tmp_path)
    expected = choose(
        lambda world: build(plan, world, arm, 1, PLUGINS),
        Vault(load(plan)).sealed,
        seed=1,
        search=plan.search,
        classifiers=["softmax"],
        embedding_dim=4,
    )
    assert found.reached == expected.score == max(one["AUSUC"] for one in expected.tried)
    assert len(expected.tried) == 2
    assert found.fault is None
    assert found.seconds > 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["arm"], manifest["seed"], manifest["config"]["settings"]["steps"]) == (arm, 1, 4)


def test_what_is_done_is_not_done_again(plan, tmp_path, monkeypatch):
    attempt(job_of(plan, tmp_path))
    found = outcome(tmp_path)
    monkeypatch.setattr(attempts, "made_choice", None)
    (tmp_path / "choice").mkdir()  # as a process leaves it that is killed between two steps
    assert not ended(tmp_path)
    attempt(job_of(plan, tmp_path))
    assert outcome(tmp_path) == found
    assert ended(tmp_path)
    assert not (tmp_path / "choice").exists()


def test_settings_that_cannot_be_trained_are_told(plan, tmp_path):
    plan = dataclasses.replace(plan, settings={"lr": 1e30, "steps": 6, "hidden": 8})
    attempt(job_of(plan, tmp_path))
    found = outcome(tmp_path)
    assert found.reached is None
    assert found.fault.startswith("TrainingError: step ")
    assert found.fault.splitlines() == [found.fault]
    assert "Traceback" in (tmp_path / "error.txt").read_text()
    assert not (tmp_path / "choice").exists()
    attempt(job_of(plan, tmp_path))
    assert outcome(tmp_path) == found
    assert (tmp_path / "error.txt").exists()


@pytest.mark.parametrize("error", [DataError("no rows"), OSError("disk full"), KeyError("a bug")])
def test_what_no_settings_are_to_blame_for_is_raised(plan, tmp_path, monkeypatch, error):
    def raises(*_, **__):
        raise error

    monkeypatch.setattr(attempts, "made_choice", raises)
    with pytest.raises(type(error)):
        attempt(job_of(plan, tmp_path))
    assert outcome(tmp_path) is None
    assert "Traceback" in (tmp_path / "error.txt").read_text()


def test_another_trial_in_its_folder_is_refused(plan, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "made_choice", lambda *_, **__: None)
        attempt(job_of(plan, tmp_path))
    with pytest.raises(DataError, match=r"holds another run: seed is 1 there and 2 now"):
        attempt(job_of(plan, tmp_path, seed=2))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "failed.json").write_text('{"fault": "x"}')
    with pytest.raises(DataError, match=r"failed\.json: not as d3wrap wrote it"):
        outcome(tmp_path)


def test_test_rows_change_no_trial(plan, tmp_path):
    """The canary: permuted test labels and other test images, and every trial of both arms is the same."""
    dataset = d3wrap.synthetic(12, 4, 6, 4, 10)
    arrays = {
        name: getattr(dataset, name).numpy()
        for name in ("features", "labels", "semantics", "train", "test_seen", "test_unseen", "seen", "unseen")
    }
    left = []
    for name in ("one", "two"):
        if name == "two":
            for rows in (arrays["test_seen"], arrays["test_unseen"]):
                arrays["labels"][rows] = np.roll(arrays["labels"][rows], 3)
                arrays["features"][rows] = np.random.default_rng(0).random((len(rows), 6))
        np.savez(tmp_path / f"{name}.npz", **arrays)
        own = dataclasses.replace(plan, source={"source": str(tmp_path / f"{name}.npz")})
        tuning = make_tuning(own, load(own), PLUGINS, device="cpu", threads=1)
        tuning = dataclasses.replace(tuning, budget=dataclasses.replace(tuning.budget, trials=2, seeds=(1,)))
        left.append(search(tuning, tmp_path / name, make_executor("local", 1, folder=tmp_path)))
    assert left[0] == left[1]
    assert all(trial.value > 0 for trials in left[0].values() for trial in trials)


def test_a_search_of_other_data_or_settings_is_refused(plan, tmp_path):
    dataset = load(plan)
    begin(tmp_path, make_tuning(plan, dataset, PLUGINS), dataset, PLUGINS)
    begin(tmp_path, make_tuning(plan, dataset, PLUGINS), dataset, PLUGINS)
    other = d3wrap.load_dataset("synthetic:classes=12,unseen=4,dim=6,samples=11")
    with pytest.raises(DataError, match=r"holds another run: dataset\.rows is 120 there and 132 now"):
        begin(tmp_path, make_tuning(plan, dataset, PLUGINS), other, PLUGINS)
    with pytest.raises(DataError, match="seed is 0 there and 1 now"):
        begin(tmp_path, make_tuning(plan, dataset, PLUGINS, seed=1), dataset, PLUGINS)
    with pytest.raises(DataError, match=r"config\.settings\.hidden is 8 there and 9 now"):
        begin(tmp_path, make_tuning(dataclasses.replace(plan, settings={"hidden": 9, "steps": 4}), dataset, PLUGINS),
              dataset, PLUGINS)  # fmt: skip


def test_a_job_can_be_sent_to_a_process(tuning_of, tmp_path, fake):
    executor, sent = fake(), []
    executor.fails = lambda job: sent.append(pickle.loads(pickle.dumps((attempt, job))))
    search(tuning_of(trials=2), tmp_path, executor)
    assert [(function, job.folder) for function, job in sent] == [
        (attempt, tmp_path / "trials" / arm / number / f"seed-{seed}") for arm, number, seed in executor.done
    ]


@pytest.mark.slow
def test_processes_give_what_one_process_gives(plan, tmp_path):
    tuning = make_tuning(plan, load(plan), PLUGINS, device="cpu", threads=1)
    tuning = dataclasses.replace(tuning, budget=dataclasses.replace(tuning.budget, trials=1))
    left = [search(tuning, tmp_path / str(jobs), make_executor("local", jobs, folder=tmp_path)) for jobs in (1, 2)]
    assert left[0] == left[1]


def test_defaults_that_diverge_are_an_error(plan, tmp_path):
    plan = dataclasses.replace(plan, settings={"lr": 1e30, "steps": 6, "hidden": 8})
    tuning = make_tuning(plan, load(plan), PLUGINS, device="cpu", threads=1)
    with pytest.raises(TrainingError, match=r"the defaults cannot be trained: TrainingError: step"):
        search(tuning, tmp_path, make_executor("local", 1, folder=tmp_path))
