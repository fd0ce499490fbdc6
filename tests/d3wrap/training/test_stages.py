"""Stages come before the phases, each with its own batches, and D³ joins after them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.optim import Adam

from d3wrap.errors import PluginError, TrainingError
from d3wrap.generator import Stage
from d3wrap.seeds import stream
from d3wrap.training.batches import RealBatches


@pytest.fixture
def staged(spy):
    """Return a function that makes a spy whose ``inner`` part is learned in a stage before ``outer``."""

    def make(steps=3, batch_size=None, **options):
        backbone = spy(repeats=(1, 1), **options)
        inner, outer = backbone.phases()
        backbone.stages = lambda: (Stage("first", steps, (inner,), batch_size),)
        backbone.phases = lambda: (outer,)
        return backbone

    return make


def test_stages_run_first_and_as_long_as_they_say(staged, train):
    backbone = train(staged(steps=3), steps=4)
    assert [phase for phase, *_ in backbone.seen] == ["inner"] * 3 + ["outer"] * 4


def test_a_stage_has_batches_of_its_own_size_and_order(staged, train, dataset):
    backbone = train(staged(batch_size=5), steps=2, batch_size=8)
    for name, size, phase in (("batches/first", 5, "inner"), ("batches", 8, "outer")):
        rows = RealBatches(dataset.train_features, dataset.train_labels, dataset.semantics, size, stream(0, name))
        for features in (features for found, features, *_ in backbone.seen if found == phase):
            assert torch.equal(features, rows.draw().features)


def test_records_count_on_and_know_the_whole(staged, train):
    records = []
    train(staged(steps=3), steps=4, log_every=2, on_log=records.append)
    assert [(record.step, record.total) for record in records] == [(2, 7), (3, 7), (5, 7), (7, 7)]
    assert set(records[0].losses) == {"spy/inner.score"}
    assert set(records[-1].losses) == {"spy/outer.error", "spy/outer.size"}


def test_a_loss_that_is_not_finite_is_named_with_the_step_of_the_run(staged, train):
    backbone = staged(steps=3, fault=("outer", 2, lambda terms: {name: value / 0 for name, value in terms.items()}))
    with pytest.raises(TrainingError, match=r"step 5: term 'outer.error' of plugin 'spy' is inf"):
        train(backbone, steps=4)


def test_d3_joins_when_the_stages_are_over(staged, train, enhancer_of, dataset):
    backbone = staged()
    width, seen = dataset.feature_dim, []
    backbone.encode = lambda features: torch.cat([features, backbone.inner(features)], 1)
    type(backbone).encode, generate = lambda self, features: self.encode(features), backbone.generate
    backbone.generate = lambda semantics, *, rng=None: backbone.encode(generate(semantics, rng=rng))
    try:
        enhancer = enhancer_of(backbone)
        prepare = enhancer.prepare
        enhancer.prepare = lambda: (seen.append(len(backbone.seen)), prepare())
        train(backbone, enhancer, steps=2)
    finally:
        del type(backbone).encode
    assert seen[0] == 3
    assert enhancer.teacher.embed.in_features == enhancer.student.embed.in_features == width + 1
    learned = backbone.inner(dataset.train_features)
    assert torch.equal(enhancer.space.train_features[:, width:], learned)


def test_the_teacher_may_not_meet_a_stage_that_is_enhanced(staged, train):
    backbone = staged()
    (stage,) = backbone.stages()
    backbone.stages = lambda: (replace(stage, phases=(replace(stage.phases[0], enhanced=True),)),)
    with pytest.raises(PluginError, match=r"exactly one enhanced phase.*and in stages before inner"):
        train(backbone)


def test_decay_follows_the_iterations(spy, train, dataset, assert_same_state):
    def factor(step):
        return 0.5 ** (step // 2)

    backbone = spy()
    inner, outer = backbone.phases()
    backbone.phases = lambda: (inner, replace(outer, decay=factor))
    train(backbone, steps=5)
    plain = spy()
    optimizers = [Adam(p.parameters, lr=p.lr, betas=p.betas, fused=True) for p in plain.phases()]
    rows = RealBatches(dataset.train_features, dataset.train_labels, dataset.semantics, 8, stream(0, "batches"))
    noise = stream(0, "noise")
    for step in range(5):
        optimizers[1].param_groups[0]["lr"] = outer.lr * factor(step)
        for phase, optimizer in zip(plain.phases(), optimizers, strict=True):
            for _ in range(phase.repeats):
                for parameter in phase.parameters:
                    parameter.grad = torch.zeros_like(parameter)
                sum(plain.losses(phase.name, rows.draw(), noise).values()).backward()
                optimizer.step()
    assert_same_state(backbone, plain)
