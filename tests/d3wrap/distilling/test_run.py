"""A run keeps everything in its folder, goes on where it stopped, and its student becomes a dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import fmean

import pytest
import torch

from d3wrap.checkpoints.tensors import read_weights
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.data import load_dataset
from d3wrap.distilling import job as jobs
from d3wrap.distilling import measuring, tuning
from d3wrap.distilling import run as running
from d3wrap.distilling.export import export_features
from d3wrap.distilling.job import DistillJob, do_job, opened
from d3wrap.distilling.measuring import measure_teacher, student_features
from d3wrap.distilling.opening import Source
from d3wrap.distilling.recipe import parse_recipe
from d3wrap.distilling.run import DistillResult, run_distillation
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.training import make_student
from d3wrap.errors import DataError
from d3wrap.files import sha256_of

FILES = ["manifest.json", "metrics.jsonl", "result.json", "student-tuned.safetensors", "student.safetensors"]


@pytest.fixture
def do(data, settings, plugins):
    """Return a function that does a run in a folder."""

    def do(folder, recipe="cls+contrastive", *, settings=settings, seed=0, data=data, **options):
        return run_distillation(
            data,
            parse_recipe(recipe, list(data.texts), {}, plugins),
            settings,
            seed=seed,
            plugins=plugins,
            folder=RunFolder(folder, resume=True),
            made_of={"teacher": "features"},
            checkpoint_every=0.0,
            **options,
        )

    return do


def result_of(folder):
    return {k: v for k, v in json.loads((folder / "result.json").read_text()).items() if k != "seconds"}


def test_a_run_leaves_what_it_is_made_of_and_what_it_reached(do, tmp_path, settings):
    found = do(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "training.json") == FILES
    assert found.recipe == "cls+contrastive@own"
    assert len(found.epochs) == 2
    for name, value in found.values.items():
        assert value == pytest.approx(fmean(one[name] for one in found.epochs))
    assert found.few_shot is not None
    assert set(found.teacher) == {"in_distribution", "zero_shot"}
    assert DistillResult.read(tmp_path / "result.json") == found
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"]["settings"]["epochs"] == settings.epochs
    assert manifest["config"]["recipe"] == "cls+contrastive@own"
    assert list(manifest["config"]["hashes"]) == ["pixels"]


def test_a_finished_run_is_not_repeated_and_another_is_not_written_over(do, tmp_path, monkeypatch):
    first = do(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(running, "Distillation", None)
        assert do(tmp_path) == first
    for other in ({"recipe": "mse"}, {"seed": 1}):
        with pytest.raises(DataError, match="holds another run"):
            do(tmp_path, **other)


class Killed(Exception):
    pass


@pytest.mark.parametrize(("stage", "count"), [("distill", 3), ("tuning", 1), ("tuning", 3)])
def test_a_killed_run_is_gone_on_with(do, tmp_path, monkeypatch, stage, count):
    do(tmp_path / "whole")
    step, counted = running.Distillation._step, []

    def dying(self, at, *arguments):
        counted.append(at.name)
        if counted.count(stage) == count:
            raise Killed
        return step(self, at, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(running.Distillation, "_step", dying)
        with pytest.raises(Killed):
            do(tmp_path / "killed")
    do(tmp_path / "killed")
    assert result_of(tmp_path / "killed") == result_of(tmp_path / "whole")
    for name in ("student", "student-tuned"):
        one, other = (read_weights(tmp_path / place / f"{name}.safetensors") for place in ("killed", "whole"))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == sorted(
        p.name for p in (tmp_path / "whole").iterdir()
    )


def test_a_student_is_kept_as_it_was_before_it_saw_an_unseen_class(do, tmp_path, settings):
    do(tmp_path / "tuned")
    do(tmp_path / "alone", settings=replace(settings, shots=0))
    tuned, alone = (read_weights(tmp_path / place / "student.safetensors") for place in ("tuned", "alone"))
    assert all(torch.equal(tuned[name], alone[name]) for name in alone)
    after = read_weights(tmp_path / "tuned" / "student-tuned.safetensors")
    assert not all(torch.equal(after[name], alone[name]) for name in alone)


def test_the_few_shot_accuracy_is_the_mean_over_the_last_epochs(do, tmp_path, settings, monkeypatch):
    given = iter([0.1, 0.2, 0.4, 0.9])
    monkeypatch.setattr(running, "few_shot_accuracy", lambda *_: next(given))
    found = do(tmp_path, settings=replace(settings, tuning_epochs=5, averaged=3, epochs=3))
    assert found.few_shot == pytest.approx((0.1 + 0.2 + 0.4) / 3)


def test_a_run_is_trained_and_measured_with_the_text_of_its_recipe(do, data, settings, tmp_path):
    texts = {"own": data.texts["own"], "turned": -data.texts["own"]}
    both, once = replace(data, texts=texts), replace(settings, shots=0)
    own, turned = (do(tmp_path / name, f"cls@{name}", data=both, settings=once) for name in texts)
    alone = do(tmp_path / "alone", "cls@own", settings=once)
    assert own.values == alone.values
    assert own.teacher == measure_teacher(data, texts["own"], settings)
    assert turned.teacher == measure_teacher(both, texts["turned"], settings)
    assert turned.teacher != own.teacher


def test_everything_of_a_run_is_measured_in_its_precision(do, tmp_path, monkeypatch):
    asked = []

    def noted(student, data, rows, settings, precision="exact"):
        asked.append(precision)
        return student_features(student, data, rows, settings, precision)

    monkeypatch.setattr(measuring, "student_features", noted)
    monkeypatch.setattr(tuning, "student_features", noted)
    do(tmp_path, precision="bf16")
    assert asked == ["bf16"] * 6  # two epochs of seen and unseen classes, two of fine-tuning


def test_seconds_are_those_of_all_that_was_done_before_too(do, tmp_path, monkeypatch):
    def dying(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(running, "_tune", dying)
        with pytest.raises(Killed):
            do(tmp_path)
    done = tmp_path / "training.json"
    stored = json.loads(done.read_text())
    assert stored["seconds"] > 0
    done.write_text(json.dumps({**stored, "seconds": 1000.0}))
    assert 1000 < do(tmp_path).seconds < 1200


def test_no_shots_means_no_fine_tuning(do, tmp_path, settings):
    assert do(tmp_path, settings=replace(settings, shots=0)).few_shot is None
    assert not (tmp_path / "student-tuned.safetensors").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": 1}'])
def test_a_broken_result_counts_as_none(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert DistillResult.read(tmp_path / "result.json") is None
    assert DistillResult.read(tmp_path / "missing.json") is None


@pytest.fixture
def job(tmp_path, plugins):
    settings = DistillSettings(
        size=8, crop=8, width=4, epochs=1, averaged=1, batch_size=256, shots=0, neighbours=2, tuning_epochs=1
    )
    return DistillJob(
        source=Source("digits", {"own": "own"}),
        recipe=parse_recipe("cls", ["own"], {}, plugins),
        settings=settings,
        seed=0,
        folder=tmp_path / "run",
        plugins=plugins.names,
        device="cpu",
        threads=1,
    )


def test_a_job_is_done_and_its_student_becomes_a_dataset(job, tmp_path):
    do_job(job)
    result = DistillResult.read(job.folder / "result.json")
    assert result.recipe == "cls@own"
    assert job.label == "cls@own, seed 0"
    data = opened(job)
    assert opened(job) is data
    export_features(job, data, tmp_path / "features.safetensors")
    found = load_dataset(tmp_path / "features.safetensors", scale="none")
    assert found.features.shape == (1797, 64)
    assert found.image_shape is None
    assert "student residual, cls@own, seed 0" in found.provenance["features"]
    student = make_student(data, job.settings, 0)
    student.load_state_dict(read_weights(job.folder / "student.safetensors"))
    rows = torch.arange(5)
    torch.testing.assert_close(found.features[:5], student_features(student, data, rows, job.settings))
    torch.testing.assert_close(found.features.norm(dim=1), torch.ones(1797))


def test_what_is_exported_is_the_student_before_tuning_and_nothing_else_of_the_source(
    do, data, settings, plugins, tmp_path
):
    do(tmp_path / "run")
    dataset = replace(
        data.dataset,
        text_features=torch.ones(6, 4),
        teacher_features=torch.ones(84, 4),
        provenance={**data.dataset.provenance, "sha256.old.mat": "1"},
    )
    recipe = parse_recipe("cls+contrastive", ["own"], {}, plugins)
    job = DistillJob(Source("made", {"own": "own"}), recipe, settings, 0, tmp_path / "run", plugins.names)
    export_features(job, replace(data, dataset=dataset), tmp_path / "features.safetensors")
    found = load_dataset(tmp_path / "features.safetensors", scale="none")
    student = make_student(data, settings, 0)
    student.load_state_dict(read_weights(tmp_path / "run" / "student.safetensors"))
    assert torch.equal(found.features, student_features(student, data, torch.arange(84), settings))
    assert found.text_features is None
    assert found.teacher_features is None
    assert "sha256.old.mat" not in found.provenance
    assert found.provenance["student.sha256"] == sha256_of(tmp_path / "run" / "student.safetensors")
    for name in ("labels", "semantics", "seen", "unseen", "train", "test_seen", "test_unseen"):
        assert torch.equal(getattr(found, name), getattr(dataset, name))


@pytest.fixture
def _threads_restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    jobs._OPEN.clear()


@pytest.mark.usefixtures("_threads_restored")
def test_data_are_opened_once_with_the_threads_of_the_job_whoever_opens_them(job, monkeypatch):
    """Sums of many threads end in other bits, and a process that waits for others must open what they open."""
    found = []

    def noted(source, settings, device):
        found.append((torch.get_num_threads(), settings.size))
        return object()

    monkeypatch.setattr(jobs, "open_data", noted)
    jobs._OPEN.clear()
    torch.set_num_threads(1)
    several = replace(job, threads=2)
    assert opened(several) is opened(several)
    assert opened(replace(several, seed=1)) is opened(several)
    opened(replace(several, settings=replace(job.settings, size=9)))
    opened(replace(several, threads=1))
    assert found == [(2, 8), (2, 9), (1, 8)]


def test_a_job_is_done_as_it_says(job, monkeypatch):
    given = {}
    monkeypatch.setattr(jobs, "opened", lambda one: "data")
    monkeypatch.setattr(jobs, "run_distillation", lambda *some, **named: given.update(named, data=some[0]))
    do_job(replace(job, precision="bf16", seed=7, checkpoint_every=3.0, command=["x"]))
    assert (given["data"], given["precision"], given["seed"]) == ("data", "bf16", 7)
    assert (given["checkpoint_every"], given["command"]) == (3.0, ["x"])
    assert given["plugins"].names == job.plugins
    assert given["made_of"] == job.source.described()
    assert given["folder"].path == job.folder


def test_why_a_job_failed_is_written_down(job):
    broken = replace(job, source=Source("nowhere", {"own": "own"}))
    with pytest.raises(DataError, match="nowhere"):
        do_job(broken)
    assert "nowhere: no such file" in (job.folder / "error.txt").read_text()
    assert DistillResult.read(broken.folder / "result.json") is None
