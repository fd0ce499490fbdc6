"""Rates against torch's own schedulers."""

from __future__ import annotations

import pytest
import torch

from d3wrap.distilling.schedule import rate
from d3wrap.distilling.settings import PRESETS, DistillSettings
from d3wrap.errors import ConfigError


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)


@pytest.mark.parametrize("steps", [1, 2, 10, 57])
def test_onecycle_is_that_of_torch(steps):
    settings = DistillSettings(schedule="onecycle")
    found = [rate(settings, step, steps, 1, 0.3) for step in range(steps)]
    if steps == 1:  # torch's has no rate for one step; ours begins with the highest or lower
        assert 0 < found[0] <= 0.3
        return
    used = optimizer()
    schedule = torch.optim.lr_scheduler.OneCycleLR(used, 0.3, total_steps=steps, cycle_momentum=False)
    expected = []
    for step in range(steps):
        expected.append(used.param_groups[0]["lr"])
        used.step()
        if step < steps - 1:
            schedule.step()
    if steps > 4:
        assert found == pytest.approx(expected, rel=1e-6)
    assert max(found) <= 0.3 + 1e-12


def test_step_is_that_of_the_paper():
    settings = PRESETS["paper-resnet"]
    found = [rate(settings, step, 900, 90, settings.lr) for step in (0, 299, 300, 599, 600, 899)]
    assert found == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005, 0.0005])


def test_presets_are_the_papers():
    resnet, vit = PRESETS["paper-resnet"], PRESETS["paper-vit"]
    assert (resnet.epochs, resnet.lr, resnet.milestones, resnet.gamma) == (90, 0.05, (30, 60), 0.1)
    assert (resnet.optimizer, resnet.momentum, resnet.weight_decay, resnet.batch_size) == ("sgd", 0.9, 1e-4, 128)
    assert (vit.epochs, vit.repeats, vit.lr, vit.optimizer, vit.schedule) == (90, 3, 1e-4, "adamw", "onecycle")
    assert (vit.weight_decay, vit.batch_size) == (0.01, 128)
    assert [(one.tuning_epochs, one.tuning_lr, one.shots) for one in (resnet, vit)] == [(20, 0.001, 5), (20, 2e-4, 5)]
    assert [(one.size, one.crop, one.least_area, one.flip) for one in (resnet, vit)] == [
        (224, 224, 0.08, True),
        (224, 224, 0.08, False),
    ]
    for preset in PRESETS.values():
        assert (preset.temperature, preset.nearest_texts, preset.symmetric, preset.averaged) == (0.07, 256, True, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "adam"}, "optimizer: expected one of"),
        ({"schedule": "cosine"}, "schedule: expected one of"),
        ({"width": 0}, "width: expected 1 or more"),
        ({"lr": 0.0}, "lr: expected a number above 0"),
        ({"shots": -1}, "shots: expected 0 or more"),
        ({"least_area": 0.0}, "least_area: expected a share"),
        ({"epochs": 3}, r"averaged: expected at most epochs \(3\), found 5: set averaged=3 too"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DistillSettings(**change)
