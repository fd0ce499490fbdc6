"""What plugins of others do to a D³ step: transform features, add terms, weigh them, fail."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d3wrap.batch import ClassifierStep, D3Batch
from d3wrap.errors import ConfigError, PluginError
from d3wrap.hookspecs import hookimpl
from d3wrap.specs import ObjectiveSpec

OBJECTIVES = ("classify", "id2sd", "o2dbd")


def plugin(**hooks):
    """An object that implements some hooks; each function names the arguments of its hook."""
    return type("Plugin", (), {name: staticmethod(hookimpl(function)) for name, function in hooks.items()})()


def real(tiny, rows=9):
    return tiny.train_features[:rows], tiny.train_labels[:rows]


def test_features_pass_through_the_plugins_in_the_order_of_their_names(tiny, enhancer_of_tiny):
    seen = []

    def double(features, labels, semantics):
        seen.append((labels, semantics))
        return features * 2

    plugins = {
        "b": plugin(on_generate=lambda features: features + 1),
        "a": plugin(on_generate=double),
        "c": plugin(on_generate=lambda features: None),
    }
    enhancer = enhancer_of_tiny(extra=plugins)
    features, labels = torch.rand(3, 7, dtype=torch.float64), tiny.unseen[[0, 1, 1]]
    torch.testing.assert_close(enhancer.on_generate(features, labels), features * 2 + 1)
    assert torch.equal(seen[0][0], labels)
    assert torch.equal(seen[0][1], tiny.semantics[labels])


def test_a_transformation_is_what_teacher_and_student_see_and_gradients_pass_through_it(tiny, enhancer_of_tiny):
    batches: list[D3Batch] = []
    plugins = {
        "scale": plugin(on_generate=lambda features: features * 3),
        "spy": plugin(on_batch=lambda batch: batches.append(batch)),
        "sum": plugin(on_batch=lambda batch: {"all": batch.features[batch.num_real :].sum()}),
    }
    enhancer = enhancer_of_tiny(block=OBJECTIVES, extra=plugins)
    losses = enhancer.on_batch(*real(tiny))
    (batch,) = batches
    assert batch.num_real == 9
    assert torch.equal(batch.features[:9], real(tiny)[0])
    assert batch.labels.tolist() == [*real(tiny)[1].tolist(), *tiny.unseen.repeat_interleave(5).tolist()]
    torch.testing.assert_close(losses.terms["sum/all"], batch.features[9:].detach().sum())
    (bias,) = torch.autograd.grad(losses.total, [enhancer.generator.map.bias])
    unscaled = batch.features[9:].detach() / 3
    torch.testing.assert_close(bias, 3 * (1 - torch.exp(-unscaled)).sum(0))  # d softplus = 1 − exp(−softplus)


def test_a_transformation_that_cuts_the_graph_leaves_nothing_to_add(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(extra={"cut": plugin(on_generate=lambda features: features.detach())})
    losses = enhancer.on_batch(*real(tiny))
    own = [torch.ones_like(p) for p in enhancer.generator.parameters()]
    for a, b in zip(own, enhancer.add_gradients(own, losses, list(enhancer.generator.parameters())), strict=True):
        assert torch.equal(a, b)


def test_a_plugin_adds_a_term_that_student_and_generator_follow(tiny, enhancer_of_tiny):
    extra = {"mine": plugin(on_batch=lambda batch: {"size": batch.student.logits.square().mean()})}
    plain, more = enhancer_of_tiny(), enhancer_of_tiny(extra=extra)
    without, found = plain.on_batch(*real(tiny)), more.on_batch(*real(tiny))
    assert list(found.terms) == ["classify/nll", "id2sd/embedding", "id2sd/labels", "mine/size", "o2dbd/relation"]
    torch.testing.assert_close(found.total, without.total + found.terms["mine/size"])
    assert not torch.equal(plain.student.classify.weight, more.student.classify.weight)


def test_a_plugins_term_can_be_weighed_by_the_plugins_name(tiny, enhancer_of_tiny):
    extra = {"mine": plugin(on_batch=lambda batch: {"size": batch.student.logits.square().mean()})}
    without = enhancer_of_tiny().on_batch(*real(tiny))
    found = enhancer_of_tiny(extra=extra, generator_weights={"mine": 7.0}).on_batch(*real(tiny))
    torch.testing.assert_close(found.total, without.total + 7 * found.terms["mine/size"])


def test_a_term_that_depends_on_nothing_is_shown_and_trains_nothing(tiny, enhancer_of_tiny):
    extra = {"monitor": plugin(on_batch=lambda batch: {"rows": batch.features.new_tensor(len(batch.features))})}
    enhancer = enhancer_of_tiny(block=OBJECTIVES, extra=extra)
    losses = enhancer.on_batch(*real(tiny))
    assert {name: float(value) for name, value in losses.terms.items()} == {"monitor/rows": 19.0}
    assert not losses.total.requires_grad


def test_a_term_of_the_real_rows_alone_trains_the_student_alone(tiny, enhancer_of_tiny):
    extra = {"real": plugin(on_batch=lambda batch: {"size": batch.student[batch.real].logits.square().mean()})}
    enhancer = enhancer_of_tiny(block=OBJECTIVES, extra=extra)
    enhancer.prepare()
    before = enhancer.student.classify.weight.detach().clone()
    losses = enhancer.on_batch(*real(tiny))
    assert not torch.equal(enhancer.student.classify.weight, before)
    for gradient in torch.autograd.grad(
        losses.total, list(enhancer.generator.parameters()), allow_unused=True, materialize_grads=True
    ):
        assert not gradient.any()


class Learning(nn.Module):
    """An objective with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    @hookimpl
    def on_batch(self, batch):
        return {"fit": (self.scale * batch.features.detach().mean() - 3).square()}


def learning(*, optional=False):
    spec = ObjectiveSpec("learning", "", lambda context: Learning(), ("fit",), optional)
    return {"stranger": plugin(register_objectives=lambda register: register(spec))}


def test_an_objectives_own_parameters_learn_with_the_student_and_are_kept(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(extra=learning())
    enhancer.prepare()
    for _ in range(3):
        enhancer.on_batch(*real(tiny))
    state = enhancer.state_dict()
    assert float(state["objective:learning.scale"]) == pytest.approx(1.03, abs=1e-3)  # three steps of Adam at 1e-2
    other = enhancer_of_tiny(extra=learning())
    other.load_state_dict(state)
    assert torch.equal(other.state_dict()["objective:learning.scale"], state["objective:learning.scale"])


@pytest.mark.parametrize(
    ("weights", "there"),
    [
        ({}, False),
        ({"student_weights": {"id2sd": 2.0}}, False),
        ({"student_weights": {"learning": 1.0}}, True),
        ({"generator_weights": {"learning/fit": 0.0}}, True),
    ],
)
def test_an_optional_objective_takes_part_where_a_weight_names_it(tiny, enhancer_of_tiny, weights, there):
    losses = enhancer_of_tiny(extra=learning(optional=True), **weights).on_batch(*real(tiny))
    assert ("learning/fit" in losses.terms) == there


@pytest.mark.parametrize("hook", ["on_generate", "on_batch", "on_classifier_step"])
def test_a_plugin_that_raises_is_named(tiny, enhancer_of_tiny, hook):
    arguments = {"on_generate": "features", "on_batch": "batch", "on_classifier_step": "step"}
    scope = {}
    exec(f"def fail({arguments[hook]}): raise KeyError('gone')", scope)
    enhancer = enhancer_of_tiny(extra={"mine": plugin(**{hook: scope["fail"]})})

    def call():
        if hook == "on_classifier_step":
            features, labels = real(tiny)
            return enhancer.on_classifier_step(ClassifierStep("softmax", features, labels, torch.zeros(9, 6)))
        return enhancer.on_batch(*real(tiny))

    with pytest.raises(PluginError, match=rf"plugin 'mine', hook {hook}: KeyError: 'gone'"):
        call()


@pytest.mark.parametrize("side", ["student_weights", "generator_weights", "classifier_weights"])
@pytest.mark.parametrize(("name", "near"), [("id2d", "id2sd"), ("o2dbd/relations", "o2dbd/relation")])
def test_a_weight_of_nothing_is_refused_with_what_there_is(enhancer_of_tiny, side, name, near):
    with pytest.raises(ConfigError, match=rf"{side}: no loss is called '{name}'; did you mean '{near}'\?"):
        enhancer_of_tiny(**{side: {name: 1.0}}).prepare()


def test_a_weight_of_a_blocked_objective_is_refused(enhancer_of_tiny):
    with pytest.raises(ConfigError, match="no loss is called 'classify'"):
        enhancer_of_tiny(block=["classify"], student_weights={"classify": 1.0}).prepare()


@pytest.mark.parametrize("blocked", OBJECTIVES)
@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_any_objective_can_be_blocked(tiny, enhancer_of_tiny, blocked, formulation):
    enhancer = enhancer_of_tiny(block=[blocked], formulation=formulation)
    terms = enhancer.on_batch(*real(tiny)).terms
    assert {name.partition("/")[0] for name in terms} == set(OBJECTIVES) - {blocked}


def test_terms_of_classifier_steps_have_their_own_weights(tiny, enhancer_of_tiny):
    extra = {
        "a": plugin(on_classifier_step=lambda step: {"one": step.logits.sum(), "two": step.logits.sum()}),
        "b": plugin(on_classifier_step=lambda step: None),
    }
    enhancer = enhancer_of_tiny(extra=extra, classifier_weights={"a": 0.25}, student_weights={"a": 9.0})
    features, labels = real(tiny)
    step = ClassifierStep("softmax", features, labels, torch.full((9, 6), 2.0, dtype=torch.float64))
    assert float(enhancer.on_classifier_step(step)) == pytest.approx(0.25 * 2 * 108)
    assert enhancer_of_tiny().on_classifier_step(step) is None
