"""What a step of a distillation is shown and does, each against what the settings and the papers say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d3wrap.checkpoints import Checkpoints
from d3wrap.distilling.augment import augmented
from d3wrap.distilling.schedule import rate
from d3wrap.distilling.training import _optimizer, _Order
from d3wrap.distilling.tuning import draw_shots, tuning_stage
from d3wrap.seeds import stream

CPU = torch.device("cpu")


def shown(distillation, stage):
    """Train a stage and return the rows and inputs of each of its steps."""
    seen, observe = [], distillation.observe
    distillation.observe = lambda *given: seen.append(given[1:3]) or observe(*given)
    distillation.fit(stage)
    return seen


def test_a_batch_has_the_features_logits_and_captions_of_its_own_rows(data, distil, settings, stage):
    captions = F.normalize(torch.randn(84, 5, generator=stream(0, "tests/captions")), dim=1)
    distillation = distil(data=replace(data, captions=captions), settings=replace(settings, temperature=0.2))
    rows, found = stage.rows[[30, 2, 17]], torch.randn(3, 5, generator=stream(0, "tests/found"))
    inputs = data.inputs[rows]
    batch = distillation.observe(stage, rows, inputs, found)
    text = data.texts["own"]
    ours, theirs = found / found.norm(dim=1, keepdim=True), data.teacher.features(rows)
    torch.testing.assert_close(batch.student.embedding, ours)
    torch.testing.assert_close(batch.student.logits, ours @ text.T / 0.2)
    torch.testing.assert_close(batch.teacher.embedding, theirs)
    torch.testing.assert_close(batch.teacher.logits, theirs @ text[[0, 1, 3, 4]].T / 0.2)
    assert torch.equal(batch.captions, captions[rows])
    assert torch.equal(batch.labels, data.dataset.labels[rows])
    assert torch.equal(batch.features, inputs)
    assert (batch.num_real, batch.seen.tolist()) == (3, [0, 1, 3, 4])


@pytest.mark.parametrize("change", [{}, {"flip": False}, {"least_area": 0.9}, {"crop": 6}])
def test_each_step_has_crops_of_its_own_as_the_settings_say(data, distil, settings, stage, change):
    settings = replace(settings, **change)
    steps = shown(distil(seed=3, settings=settings), stage)
    for step, (rows, inputs) in enumerate(steps):
        rng = stream(3, f"distill/distill/crops/{step}")
        crops = augmented(data.inputs[rows], settings.crop, settings.least_area, settings.flip, rng)
        assert torch.equal(inputs, crops)


def test_rows_depend_on_seed_and_stage(distil, stage):
    first, other, elsewhere = (
        shown(distil(seed=seed), replace(stage, name=name)) for seed, name in ((0, "a"), (1, "a"), (0, "b"))
    )
    for steps in (other, elsewhere):
        assert not torch.equal(first[0][0], steps[0][0])


def test_each_step_is_taken_at_its_own_rate(distil, settings, stage):
    settings = replace(settings, schedule="step", milestones=(1, 2), gamma=0.5)
    distillation, rates = distil(settings=settings), []
    step = distillation._step

    def watched(stage, order, number, optimizer):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(stage, order, number, optimizer)

    distillation._step = watched
    distillation.fit(replace(stage, lr=0.04))
    assert rates == pytest.approx([0.04, 0.04, 0.02, 0.02, 0.01, 0.01])
    assert rates == [rate(settings, number, 6, 3, 0.04) for number in range(6)]


def test_an_optimizer_has_what_the_settings_give_it(distil, settings):
    settings = replace(settings, momentum=0.7, weight_decay=0.03)
    student = distil().student
    sgd = _optimizer(student, settings, 0.2)
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["lr"], sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.2, 0.7, 0.03)
    adamw = _optimizer(student, replace(settings, optimizer="adamw"), 0.2)
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.defaults["lr"], adamw.defaults["weight_decay"]) == (0.2, 0.03)
    for one in (sgd, adamw):
        assert sum(map(len, (group["params"] for group in one.param_groups))) == len(list(student.parameters()))


class Killed(Exception):
    pass


def test_what_draws_from_global_streams_is_gone_on_with_too(distil, stage, tmp_path):
    """Dropout draws there: after a kill it must go on in its stream, not begin it again."""

    def dropping():
        distillation = distil()
        distillation.student.network.insert(len(distillation.student.network) - 1, nn.Dropout(0.5))
        return distillation

    whole, killed, second = dropping(), dropping(), dropping()
    whole.fit(stage)
    step, taken = killed._step, []

    def dying(*given):
        if len(taken) == 4:
            raise Killed
        taken.append(1)
        return step(*given)

    killed._step = dying
    for distillation in (killed, second):
        checkpoints = Checkpoints(tmp_path / "checkpoints", 0.0, {}, tmp_path / "metrics.jsonl")
        try:
            distillation.fit(stage, checkpoints=checkpoints)
        except Killed:
            continue
    expected, found = whole.student.state_dict(), second.student.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert len(taken) == 4


def test_shots_are_half_of_a_batch_and_drawn_anew_at_each_step(data, distil, settings):
    shots = draw_shots(data, 10, seed=0)
    stage = tuning_stage(data, distil(), shots)
    order = _Order(stage, settings, 0, CPU)
    drawn = [[row for row in order.rows(step).tolist() if row in shots.shown] for step in range(order.steps)]
    assert {len(one) for one in drawn} == {8}
    assert {len(set(one)) for one in drawn} == {8}
    assert len({tuple(sorted(one)) for one in drawn}) > 1
    assert all({2, 5} == set(data.dataset.labels[one].tolist()) for one in drawn)


def test_fine_tuning_has_its_own_rate_and_epochs(data, distil, settings):
    settings = replace(settings, tuning_lr=0.003, tuning_epochs=4)
    stage = tuning_stage(data, distil(settings=settings), draw_shots(data, 2, seed=0))
    assert (stage.lr, stage.epochs, stage.name) == (0.003, 4, "tuning")
    assert torch.equal(stage.rows, data.dataset.train)


def test_few_shots_and_fewer_rows_than_a_batch_still_make_a_batch(data, distil, settings):
    stage = tuning_stage(data, distil(), draw_shots(data, 2, seed=0))
    for size in (41, 64, 1000):
        order = _Order(stage, replace(settings, batch_size=size), 0, CPU)
        assert order.epoch >= 1
        rows = order.rows(0)
        assert len(rows) == len(rows.unique())
        assert 4 < len(rows) <= 44
