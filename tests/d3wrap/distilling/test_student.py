"""Students of every kind, of the sizes asked for."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.student import Block, new_student
from d3wrap.errors import ConfigError, MissingExtraError, ShapeError

ZERO, ONE = torch.zeros(1), torch.ones(1)
with_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


@pytest.mark.parametrize(("channels", "size", "blocks"), [(3, 64, 1), (1, 8, 2), (3, 40, 1)])
def test_the_residual_student_takes_pictures_of_any_size(channels, size, blocks):
    settings = DistillSettings(width=4, blocks=blocks, size=size, crop=size)
    student = new_student(settings, (channels, size, size), 7, ZERO, ONE)
    for shown in (size, size + 8):
        assert student(torch.rand(2, channels, shown, shown)).shape == (2, 7)
    assert sum(isinstance(part, Block) for part in student.modules()) == 3 * blocks


def test_only_large_pictures_are_halved_at_once():
    strides = [
        new_student(DistillSettings(width=4, size=size, crop=size), (3, size, size), 7, ZERO, ONE).network[0].stride
        for size in (8, 64)
    ]
    assert strides == [(1, 1), (2, 2)]


def test_inputs_are_standardised():
    student = new_student(
        DistillSettings(student="mlp", hidden=3), (4,), 2, torch.full((1, 4), 2.0), torch.full((1, 4), 5.0)
    )
    given = []
    student.network.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    student.eval()(torch.full((1, 4), 12.0))
    assert torch.equal(given[0], torch.full((1, 4), 2.0))
    assert {"mean", "std"} <= set(student.state_dict())


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("mlp", (3, 8, 8), "takes features"),
        ("residual", (5,), "takes images"),
        ("timm:resnet10t", (5,), "takes images"),
    ],
)
def test_a_student_must_fit_its_inputs(name, shape, message):
    with pytest.raises(ShapeError, match=message):
        new_student(DistillSettings(student=name), shape, 7, ZERO, ONE)


def test_an_unknown_student_is_refused():
    with pytest.raises(ConfigError, match="expected 'residual', 'mlp' or 'timm:NAME', found 'vit'"):
        new_student(DistillSettings(student="vit"), (3, 8, 8), 7, ZERO, ONE)


def test_without_timm_the_line_to_type_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'd3wrap\[timm\]'"):
        new_student(DistillSettings(student="timm:resnet10t"), (3, 8, 8), 7, ZERO, ONE)


@with_timm
def test_a_network_of_timm_is_made_without_weights():
    student = new_student(DistillSettings(student="timm:resnet10t"), (3, 32, 32), 7, ZERO, ONE)
    assert student(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    with pytest.raises(ConfigError, match="timm cannot make 'resnet10tt'"):
        new_student(DistillSettings(student="timm:resnet10tt"), (3, 32, 32), 7, ZERO, ONE)
