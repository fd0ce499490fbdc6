"""The contract checks pass what is right and name what is wrong."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from d3wrap.data import synthetic
from d3wrap.errors import ConfigError, PluginError
from d3wrap.generator import Backbone, Phase, Stage
from d3wrap.hookspecs import hookimpl
from d3wrap.specs import BackboneSettings, GeneratorSpec, ObjectiveSpec
from d3wrap.testing import check_generator, check_objective


class Linear(Backbone):
    """The plainest generator that keeps the contract."""

    name = "linear"

    def __init__(self, dataset, settings):
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.map = nn.Linear(self.semantic_dim, self.feature_dim)
        self.critic = nn.Linear(self.feature_dim, 1)

    def phase(self, **changes):
        return Phase(
            **({"name": "fit", "parameters": tuple(self.map.parameters()), "lr": 1e-3, "enhanced": True} | changes)
        )

    def phases(self):
        return (self.phase(), Phase("critic", tuple(self.critic.parameters()), lr=1e-3))

    def losses(self, phase, batch, rng):
        if phase == "critic":
            return {"score": self.critic(batch.features).mean()}
        return {"error": (self.map(batch.semantics) - batch.features).square().mean()}

    def generate(self, semantics, *, rng=None):
        return self.map(semantics) + torch.randn(len(semantics), self.feature_dim, generator=rng)


def spec(backbone, **changes):
    values = {"settings": BackboneSettings, "presets": {"small": BackboneSettings()}, "build": backbone} | changes
    return GeneratorSpec(name="linear", family="", summary="", reference="", **values)


def broken(**methods):
    return type("Broken", (Linear,), methods)


def noisy(self, semantics, *, rng=None):
    return self.map(semantics) + torch.randn(len(semantics), self.feature_dim)


def idle(self):
    return (self.phase(parameters=tuple(self.parameters())),)


def total(self, phase, batch, rng):
    return {"all": self.map(batch.semantics).sum(1)}


def beside(self, semantics, *, rng=None):
    return self.map(semantics - semantics.mean(0))


def forgetful(self, dataset, rng):
    self.offset = torch.randn(self.feature_dim, generator=rng).to(dataset.features)


def offset(self, semantics, *, rng=None):
    return self.map(semantics) + getattr(self, "offset", 0.0)


def counting(self, semantics, *, rng=None):
    with torch.no_grad():
        self.map.bias += 1
    return self.map(semantics)


def spread(self, phase, batch, rng):
    return {
        "x": self.map(batch.semantics).square().sum() / (len(batch.labels) - 1) + self.critic(batch.features).mean()
    }


def float32(self, semantics, *, rng=None):
    return self.map(semantics).float()


BROKEN = [
    ({}, {"stages": lambda self: [Stage("early", 0, ())]}, "stage 'early': steps is 0"),
    (
        {},
        {"stages": lambda self: [Stage("early", 1, (self.phase(name="first"),))]},
        "stage 'early' has enhanced phases ['first']",
    ),
    ({}, {"stages": lambda self: [Stage("early", 1, (self.phase(enhanced=False),))]}, "phases share a name: fit, fit"),
    ({}, {"encode": lambda self, features: features.sum(1)}, "encode gave shape (4,) for 4 rows"),
    ({}, {"encode": lambda self, features: features - features.mean(0)}, "encode: a row depends on the rows beside it"),
    ({}, {"encode": lambda self, features: features[:, :9]}, "generate: 5 rows of semantics gave shape (5, 64)"),
    (
        {},
        {
            "encode": lambda self, features: features[:, :9],
            "generate": lambda self, semantics, *, rng=None: self.map(semantics)[:, :9],
        },
        "generate_features: 5 rows of semantics gave shape (5, 9), expected (5, 64)",
    ),
    ({}, {"generate": beside}, "generate: a row depends on the rows beside it"),
    ({}, {"generate": float32}, "the dataset is on (device(type='cpu'), torch.float64)"),
    ({}, {"losses": spread}, "loss fit.x is inf on 1 rows"),
    ({}, {"prepare": forgetful, "generate": offset}, "after its state was loaded it generates otherwise"),
    ({}, {"generate": counting}, "map.weight differs when D³ weighs 0"),
    ({"build": lambda dataset, settings: nn.Linear(1, 1)}, {}, "build must return a Backbone, returned Linear"),
    ({"build": lambda dataset, settings: 1 / 0}, {}, "builds and prepares: ZeroDivisionError"),
    ({"presets": {"paper": BackboneSettings()}}, {}, "has a preset 'small': found only paper"),
    ({}, {"prepare": lambda self, dataset, rng: 1 / 0}, "builds and prepares: ZeroDivisionError"),
    (
        {},
        {"prepare": lambda self, dataset, rng: setattr(self, "feature_dim", 3)},
        "feature_dim and semantic_dim are (3, 16)",
    ),
    ({}, {"phases": lambda self: (self.phase(enhanced=False),)}, "exactly one phase must be enhanced, found []"),
    (
        {},
        {"phases": lambda self: (self.phase(), self.phase(name="two"))},
        "exactly one phase must be enhanced, found ['fit', 'two']",
    ),
    ({}, {"phases": lambda self: (self.phase(), self.phase(enhanced=False))}, "phases share a name: fit, fit"),
    ({}, {"phases": lambda self: (self.phase(parameters=()),)}, "phase 'fit' has no parameters"),
    ({}, {"phases": lambda self: (self.phase(repeats=0),)}, "phase 'fit': repeats is 0"),
    ({}, {"phases": lambda self: (self.phase(lr=0.0),)}, "phase 'fit': lr is 0.0"),
    (
        {},
        {"phases": lambda self: (self.phase(parameters=(nn.Parameter(torch.ones(1)),)),)},
        "phase 'fit' has parameters the backbone does not own",
    ),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.map(semantics)[:, 1:]},
        "gave shape (5, 63), expected (5, 64)",
    ),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.map(semantics).squeeze(0)},
        "gave shape (64,), expected (1, 64)",
    ),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.map(semantics).double()},
        "gave torch.float64, expected torch.float32",
    ),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.map(semantics) / 0},
        "gave features that are not finite",
    ),
    ({}, {"generate": noisy}, "draws from torch's global stream"),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.map(semantics).detach()},
        "generated features carry no gradient",
    ),
    (
        {},
        {"generate": lambda self, semantics, *, rng=None: self.critic.weight.expand(len(semantics), -1)},
        "generated features reach no parameter of the enhanced phase 'fit'",
    ),
    ({}, {"phases": idle}, "neither features nor losses reach critic.weight, critic.bias of phase 'fit'"),
    ({}, {"losses": total}, "loss fit.all has shape (16,), expected a scalar"),
    ({}, {"losses": lambda self, phase, batch, rng: {}}, "phase 'fit' has no losses"),
    (
        {},
        {"losses": lambda self, phase, batch, rng: {"x": self.map.weight.sum() * float("nan")}},
        "loss fit.x is nan",
    ),
    (
        {},
        {"losses": lambda self, phase, batch, rng: {"x": self.map.weight.sum()}},
        "losses of phase 'critic' reach none of its parameters",
    ),
    (
        {},
        {"losses": lambda self, phase, batch, rng: {"x": self.map.weight.sum() * torch.rand(())}},
        "draws from torch's global stream",
    ),
]


def test_a_good_generator_passes_every_check():
    passed = check_generator(spec(Linear))
    assert len(passed) == len(set(passed)) == 13
    assert check_generator(spec(Linear), synthetic(num_classes=8, num_unseen=2, feature_dim=5)) == passed


@pytest.mark.parametrize(("changes", "methods", "fault"), BROKEN, ids=[fault for *_, fault in BROKEN])
def test_a_generator_that_breaks_the_contract_is_named_with_the_fault(changes, methods, fault):
    with pytest.raises(PluginError) as caught:
        check_generator(spec(broken(**methods), **changes))
    text = str(caught.value)
    assert text.startswith("generator 'linear' breaks its contract\n")
    assert fault in text


def test_a_generator_whose_state_changes_its_features_is_named():
    def counting(self, semantics, *, rng=None):
        self.calls = getattr(self, "calls", 0) + 1
        return self.map(semantics) * self.calls

    with pytest.raises(PluginError, match="the same rng gave other features the second time"):
        check_generator(spec(broken(generate=counting)))


class Selfish(nn.Module):
    """An objective whose loss depends on nothing but itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    @hookimpl
    def on_batch(self):
        return {"loss": self.weight**2}


def objective(on_batch=None, on_classifier_step=None, build=None, terms=("loss",)):
    methods = {"on_batch": on_batch, "on_classifier_step": on_classifier_step}
    marked = {name: hookimpl(method) for name, method in methods.items() if method}
    return ObjectiveSpec("mine", "", build or (lambda context: type("Mine", (), marked)()), terms)


def test_a_good_objective_passes_every_check():
    good = objective(
        on_batch=lambda self, batch: {"loss": batch.student.logits.square().mean()},
        on_classifier_step=lambda self, step: {"loss": step.logits.square().mean()} if step.batch else None,
    )
    assert len(check_objective(good)) == 6
    assert len(check_objective(objective(on_batch=lambda self, batch: None))) == 6


def test_an_optional_objective_takes_part_in_its_checks():
    bad = objective(on_batch=lambda self, batch: {"loss": batch.student.logits.mean() / 0})
    with pytest.raises(PluginError, match="loss mine/loss is "):
        check_objective(dataclasses.replace(bad, optional=True))
    with pytest.raises(PluginError, match="builds \\(released\\): ZeroDivisionError"):
        check_objective(dataclasses.replace(objective(build=lambda context: 1 / 0), optional=True))


def test_an_optional_objective_may_refuse_to_take_part_and_no_other_may():
    def refuse(context):
        raise ConfigError("mine needs captions")

    refusing = objective(build=refuse)
    assert check_objective(dataclasses.replace(refusing, optional=True)) == [
        f"takes no part ({formulation}), and says why: mine needs captions" for formulation in ("released", "corrected")
    ]
    with pytest.raises(PluginError, match="builds \\(released\\): mine needs captions"):
        check_objective(refusing)


def test_an_objective_may_train_the_generator_alone():
    assert check_objective(objective(on_batch=lambda self, batch: {"loss": batch.features.square().mean()}))


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"build": lambda context: 1 / 0}, "builds (released): ZeroDivisionError"),
        ({"build": lambda context: object()}, "builds (corrected): plugin 'mine' implements no hook"),
        ({"on_batch": lambda self, batch: {"other": batch.student.logits.mean()}}, "returns mine/other, which"),
        ({"on_batch": lambda self, batch: {"loss": batch.student.logits.mean() / 0}}, "loss mine/loss is "),
        ({"on_batch": lambda self, batch: {"loss": torch.ones(2)}}, "must be a floating-point tensor of shape ()"),
        ({"on_batch": lambda self, batch: {"loss": batch.student.logits.mean() * torch.rand(())}}, "global stream"),
        ({"build": lambda context: Selfish()}, "its losses train neither student nor generator"),
        (
            {"on_classifier_step": lambda self, step: {"loss": step.logits.mean() / 0}},
            "takes the steps of classifiers (released): its loss on a step of classifier 'student' is not finite",
        ),
        (
            {"on_classifier_step": lambda self, step: {"loss": step.batch.features.mean()}},
            "takes the steps of classifiers (corrected): plugin 'mine', hook on_classifier_step: AttributeError",
        ),
    ],
)
def test_an_objective_that_breaks_the_contract_is_named_with_the_fault(given, fault):
    with pytest.raises(PluginError) as caught:
        check_objective(objective(**given))
    assert str(caught.value).startswith("objective 'mine' breaks its contract\n")
    assert fault in str(caught.value)
