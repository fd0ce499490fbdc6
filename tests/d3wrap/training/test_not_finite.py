"""A loss that is no longer finite stops the run within one log interval and says where it came from."""

from __future__ import annotations

import math

import pytest
import torch

from d3wrap.errors import PluginError, TrainingError
from d3wrap.hookspecs import hookimpl
from d3wrap.specs import ObjectiveSpec


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("step", "interval"), [(1, 1), (3, 4), (4, 4), (5, 4), (6, 50)])
def test_a_loss_of_the_backbone(spy, train, step, interval, value):
    backbone = spy(repeats=(1, 1), fault=("outer", step, lambda terms: terms | {"error": terms["error"] * value}))
    with pytest.raises(
        TrainingError, match=rf"step {step}: term 'outer.error' of plugin 'spy' is {value}; training stops"
    ):
        train(backbone, steps=60, log_every=interval)
    assert backbone.calls["outer"] == math.ceil(step / interval) * interval


def test_a_loss_in_one_of_several_repeats(spy, train):
    backbone = spy(repeats=(3, 1), fault=("inner", 5, lambda terms: {"score": terms["score"] * math.nan}))
    with pytest.raises(TrainingError, match=r"step 2: term 'inner.score' of plugin 'spy' is nan"):
        train(backbone, steps=4, log_every=4)


def test_a_run_that_ends_within_an_interval_is_checked_too(spy, train):
    backbone = spy(fault=("outer", 3, lambda terms: terms | {"error": terms["error"] * math.nan}))
    with pytest.raises(TrainingError, match="step 3"):
        train(backbone, steps=3, log_every=50)


class Broken:
    """An objective that does something else from its ``step``-th batch on."""

    def __init__(self, step, then):
        self.step, self.then, self.calls = step, then, 0

    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("broken", "", lambda context: Hook(self), ("term",)))


class Hook:
    def __init__(self, plan):
        self.plan = plan

    @hookimpl
    def on_batch(self, batch):
        self.plan.calls += 1
        value = batch.student.logits.square().mean()
        return self.plan.then(value) if self.plan.calls >= self.plan.step else {"term": value}


@pytest.mark.parametrize(("step", "interval"), [(1, 3), (3, 3), (4, 3)])
def test_a_loss_of_an_objective(spy, train, enhancer_of, step, interval):
    broken = Broken(step, lambda value: {"term": value * math.nan})
    backbone = spy()
    enhancer = enhancer_of(backbone, extra={"stranger": broken})
    with pytest.raises(TrainingError, match=rf"step {step}: term 'term' of plugin 'broken' is nan"):
        train(backbone, enhancer, steps=60, log_every=interval)
    assert broken.calls == math.ceil(step / interval) * interval


def test_an_objective_that_changes_the_names_of_its_terms(spy, train, enhancer_of):
    backbone = spy()
    enhancer = enhancer_of(backbone, extra={"stranger": Broken(3, lambda value: {"other": value})})
    with pytest.raises(TrainingError, match=r"step 3: the losses are \['broken/other'.* a plugin must return the same"):
        train(backbone, enhancer, steps=60, log_every=10)


def test_a_backbone_that_changes_the_names_of_its_terms(spy, train):
    backbone = spy(fault=("outer", 2, lambda terms: {"error": terms["error"]}))
    with pytest.raises(TrainingError, match=r"step 2: .*before they were .*'spy/outer.size'"):
        train(backbone)


def test_an_objective_that_raises_is_named(spy, train, enhancer_of):
    def fail(value):
        raise IndexError("out of luck")

    backbone = spy()
    enhancer = enhancer_of(backbone, extra={"stranger": Broken(2, fail)})
    with pytest.raises(PluginError, match="plugin 'broken', hook on_batch: IndexError: out of luck"):
        train(backbone, enhancer)


def test_an_objective_that_returns_something_else_is_named(spy, train, enhancer_of):
    backbone = spy()
    enhancer = enhancer_of(backbone, extra={"stranger": Broken(2, lambda value: {"term": torch.stack([value, value])})})
    with pytest.raises(PluginError, match=r"plugin 'broken', hook on_batch: loss 'term' must be .*found shape \(2,\)"):
        train(backbone, enhancer)
