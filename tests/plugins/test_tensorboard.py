"""What ``--log-to tensorboard`` writes, read back with TensorBoard's own reader."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from datetime import datetime

import numpy as np
import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.comparison import job as jobs
from d3wrap.comparison.job import Job, run_job
from d3wrap.comparison.run import Plan
from d3wrap.errors import TrainingError
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
FILES = "events.out.tfevents.*"


def make_job(folder, log_to=("tensorboard",), steps=6, source="digits"):
    plan = Plan(
        "clswgan",
        settings={"steps": steps, "hidden": 8, "noise_dim": 3, "batch_size": 8, "synthetic_per_class": 5},
        d3=D3Settings(teacher_epochs=1, embedding_dim=8),
        classifiers=("softmax", "student"),
        log_every=2,
        source={"source": source},
    )
    names = load_plugins(environ={}).names
    return Job(plan, "enhanced", 3, folder, names, device="cpu", threads=1, checkpoint_every=0, log_to=log_to)


def read(folder):
    everything = dict.fromkeys(("scalars", "tensors", "images"), 0)  # 0 keeps all
    return accumulators.EventAccumulator(str(folder), size_guidance=everything).Reload()


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def lines_of(folder):
    journal = folder / "metrics.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def check_losses(folder):
    """Every loss of every log point is there once, at its step, and nothing else."""
    events, lines = read(folder), logged(folder)
    names = [name for name in events.Tags()["scalars"] if not name.startswith(("softmax/", "student/"))]
    assert sorted(names) == sorted(lines[0]["losses"])
    for name in names:
        points = [(point.step, point.value) for point in events.Scalars(name)]
        assert points == [(line["step"], float(np.float32(line["losses"][name]))) for line in lines]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard") / "run"
    run_job(make_job(folder))
    return folder


def test_losses_are_those_of_the_journal_at_the_time_of_training(run):
    assert [line["step"] for line in logged(run)] == [2, 4, 6]
    check_losses(run)
    began = datetime.fromisoformat(json.loads((run / "manifest.json").read_text())["created"]).timestamp()
    times = [point.wall_time - began for point in read(run).Scalars("id2sd/labels")]
    assert times == pytest.approx([line["seconds"] for line in logged(run)], abs=1e-6)


def test_results_are_there_for_each_classifier(run):
    events = read(run)
    for result in json.loads((run / "result.json").read_text()):
        for name in ("T1", "U", "S", "H", "AUSUC", "AUROC", "ECE", "unseen_as_seen", "seen_as_unseen"):
            (point,) = events.Scalars(f"{result['classifier']}/{name}")
            assert (point.step, point.value) == (6, float(np.float32(result[name])))
    assert "softmax/H_gamma" not in events.Tags()["scalars"]  # nothing chose a γ


def test_settings_are_hyperparameters(run):
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    stored = read(run).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    found = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in metadata.parse_session_start_info_plugin_data(stored).hparams.items()
    }
    expected = {
        "arm": "enhanced",
        "seed": 3,
        "generator": "clswgan",
        "settings.hidden": 8,
        "settings.steps": 6,
        "d3.teacher_epochs": 1,
        "d3.formulation": "corrected",
        "d3.class_balanced": "true",
        "data.source": "digits",
        "classifiers": '["softmax", "student"]',
    }
    assert {name: found.get(name) for name in expected} == expected


def test_pictures_are_real_ones_above_generated_ones(run):
    events, artefacts = read(run), json.loads((run / "artefacts.json").read_text())
    names = {artefacts["classes"][label]["name"] for label in artefacts["pictures"]["real"]}
    assert {tag.partition("/")[2] for tag in events.Tags()["images"]} == names
    (picture,) = events.Images(events.Tags()["images"][0])
    assert (picture.step, picture.height, picture.width) == (6, 16, 8 * 12)
    assert picture.encoded_image_string.startswith(b"\x89PNG")


def test_the_manifest_is_text(run):
    (text,) = read(run).Tensors("manifest/text_summary")
    assert '"seed": 3' in text.tensor_proto.string_val[0].decode()


def test_what_an_earlier_attempt_wrote_is_gone(tmp_path, monkeypatch):
    job = make_job(tmp_path / "run", source="synthetic:classes=6,unseen=2,dim=8,samples=20")

    def broken(*_):
        raise TrainingError("no")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "measure", broken)
        with pytest.raises(TrainingError):
            run_job(job)
    check_losses(job.folder)
    assert not [tag for tag in read(job.folder).Tags()["scalars"] if tag.startswith("softmax/")]
    old = list(job.folder.glob(FILES))
    run_job(job)
    assert not [path for path in old if path.exists()]
    check_losses(job.folder)
    assert len(read(job.folder).Scalars("softmax/H")) == 1
    assert read(job.folder).Tags()["images"] == []  # its features are no pictures


def test_a_killed_run_has_each_point_once(tmp_path):
    job = make_job(tmp_path / "run", steps=80, source="synthetic:classes=6,unseen=2,dim=8,samples=20")
    process = multiprocessing.get_context("spawn").Process(target=run_job, args=(job,))
    process.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not lines_of(job.folder) >= 4:
        time.sleep(0.002)
    process.kill()
    process.join()
    assert not (job.folder / "training.json").exists()
    assert 4 <= len(logged(job.folder)) < 40
    # Whoever looks at a run that was killed sees what it had logged.
    assert len(read(job.folder).Scalars("id2sd/labels")) >= len(logged(job.folder)) - 1
    run_job(job)
    assert len(logged(job.folder)) == 40
    check_losses(job.folder)


def test_nothing_is_written_where_nobody_asked(tmp_path):
    run_job(make_job(tmp_path / "run", log_to=()))
    assert not list((tmp_path / "run").rglob(FILES))


def test_the_command_trains_and_logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data", "synthetic:classes=6,unseen=2,dim=8,samples=20", "--device", "cpu", "--protocol", "fixed"]
    options += ["--set", "steps=4", "--set", "hidden=8", "--d3", "teacher_epochs=1", "--log-every", "2"]
    train = ["train", *options, "--log-to", "tensorboard", "--out", "one"]
    result = CliRunner().invoke(main, train, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    check_losses(tmp_path / "one")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    for command in ("train", "compare"):
        arguments = [command, *options, "--log-to", "tensorboard", "--out", "two"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert "--log-to tensorboard needs tensorboard, which is not installed: pip install 'd3wrap[tensorboard]'" in (
            result.stderr
        )
        assert not (tmp_path / "two").exists()


def test_it_may_be_asked_for_when_a_comparison_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--data", "synthetic:classes=6,unseen=2,dim=8,samples=20", "--device", "cpu", "--protocol", "fixed"]
    options += ["--set", "steps=4", "--set", "hidden=8", "--d3", "teacher_epochs=1", "--log-every", "2", "--seeds", "1"]
    compare = ["compare", *options, "--classifier", "softmax", "--out", "out"]
    result = CliRunner().invoke(main, compare, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    baseline, enhanced = (tmp_path / "out" / "clswgan" / "seed-0" / arm for arm in ("baseline", "enhanced"))
    (enhanced / "result.json").unlink()  # as if it had been killed while it was measured
    result = CliRunner().invoke(main, [*compare, "--log-to", "tensorboard"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    check_losses(enhanced)
    assert len(read(enhanced).Scalars("softmax/H")) == 1
    assert not list(baseline.glob(FILES))
