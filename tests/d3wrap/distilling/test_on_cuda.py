"""A distillation on a CUDA device begins where it begins on the CPU, and ends in its folder like one there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from d3wrap.distilling.export import export_features
from d3wrap.distilling.job import DistillJob, do_job, opened
from d3wrap.distilling.measuring import measure, measure_teacher, student_features
from d3wrap.distilling.opening import Source, open_data
from d3wrap.distilling.picture import find_neighbours
from d3wrap.distilling.recipe import parse_recipe
from d3wrap.distilling.run import DistillResult
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.training import Distillation, Stage, make_student

pytestmark = pytest.mark.gpu

SETTINGS = DistillSettings(
    size=8, crop=8, width=4, epochs=2, averaged=1, batch_size=256, shots=2, neighbours=2, tuning_epochs=1
)
SOURCE = Source("digits", {"own": "own"})


def test_what_is_opened_is_that_of_the_cpu():
    here, there = (open_data(SOURCE, SETTINGS, device) for device in ("cpu", "cuda"))
    torch.testing.assert_close(there.texts["own"].cpu(), here.texts["own"], rtol=1e-4, atol=1e-4)
    rows = torch.tensor([70, 3, 500])
    torch.testing.assert_close(there.teacher_features(rows.cuda(), 8).cpu(), here.teacher_features(rows, 8))
    student, same = (make_student(one, SETTINGS, 0) for one in (here, there))
    torch.testing.assert_close(
        student_features(same, there, rows.cuda(), SETTINGS).cpu(),
        student_features(student, here, rows, SETTINGS),
        rtol=1e-3,
        atol=1e-4,
    )


def test_measures_are_those_of_the_cpu():
    found = []
    for device in ("cpu", "cuda"):
        data = open_data(SOURCE, SETTINGS, device)
        student = make_student(data, SETTINGS, 0)
        found.append(measure(student, data, data.texts["own"], SETTINGS))
        found[-1] |= {f"teacher {k}": v for k, v in measure_teacher(data, data.texts["own"], SETTINGS).items()}
        rows = data.dataset.test_unseen
        find_neighbours(data, student_features(student, data, rows, SETTINGS), rows, 8, images=3, k=2)
    assert found[1] == pytest.approx(found[0], abs=0.01)


@pytest.mark.parametrize("precision", ["exact", "bf16"])
def test_a_job_is_done_and_exported(tmp_path, plugins, precision):
    recipe = parse_recipe("cls+mse+contrastive+proximity", ["own"], {}, plugins)
    job = DistillJob(SOURCE, recipe, SETTINGS, 0, tmp_path / "run", plugins.names, "cuda", precision)
    do_job(job)
    result = DistillResult.read(job.folder / "result.json")
    assert 0 <= result.few_shot <= 1
    export_features(job, opened(job), tmp_path / "features.safetensors")
    assert (tmp_path / "features.safetensors").is_file()


def test_the_losses_of_the_first_step_are_those_of_the_cpu(plugins):
    losses = []
    for device in ("cpu", "cuda"):
        data = open_data(SOURCE, SETTINGS, device)
        recipe = parse_recipe("cls+mse+contrastive+proximity", ["own"], {}, plugins)
        # a batch of every row, so that an epoch is a step
        settings = replace(SETTINGS, batch_size=len(data.dataset.train), epochs=1)
        stage = Stage("distill", data.dataset.train, data.dataset.seen, 1, 0.01)
        Distillation(data, recipe, settings, seed=0, plugins=plugins).fit(
            stage, on_log=lambda record: losses.append(record.losses)
        )
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
