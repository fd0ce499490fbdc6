"""What takes part in training, and that leaving all of it out leaves the plain baseline."""

from dataclasses import fields, replace

import pytest
import torch

from d3wrap.ablation.parts import Part, parts_of, without
from d3wrap.comparison.run import measure, results, train
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import AdapterSpec, ObjectiveSpec

OURS = ["classify", "id2sd", "o2dbd"]


class Mean:
    """An objective that pulls generated features to zero."""

    @hookimpl
    def on_batch(self, batch):
        return {"size": batch.features.square().mean()}


class Both:
    """A plugin that registers an objective and an adapter, so that it cannot simply be blocked."""

    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("mean", "small features", lambda _: Mean(), ("size",)))

    @hookimpl
    def register_adapters(self, register):
        register(AdapterSpec("other", "none", lambda _: False, lambda *_, **__: None))


class Optional:
    """An objective that takes part only where a weight names it."""

    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("mean", "small features", lambda _: Mean(), ("size",), optional=True))


class Shift:
    """A plugin without an objective, which changes generated features all the same."""

    @hookimpl
    def on_generate(self, features):
        return features + 1


def reached(plan, dataset, folder, arm, plugins):
    """Weights and numbers of a run with the plugins that the plan does not block."""
    left = load_plugins(environ={}, block=plan.block, extra=plugins)
    trained = train(plan, dataset, arm, 1, left, RunFolder(folder))
    found = results(plan, dataset, arm, 1, trained, measure(plan, 1, trained))
    skipped = {"arm", "formulation", "training_seconds", "evaluation_seconds"}
    names = [field.name for field in fields(found[0]) if field.name not in skipped]
    return trained.backbone.state_dict(), [[getattr(run, name) for name in names] for run in found]


@pytest.mark.parametrize("formulation", ["released", "corrected"])
@pytest.mark.parametrize("extra", [{}, {"both": Both()}, {"shift": Shift()}], ids=["ours", "weights", "hook"])
def test_without_everything_a_run_is_the_baseline_bit_for_bit(plan, dataset, tmp_path, extra, formulation):
    plan = replace(plan, d3=replace(plan.d3, formulation=formulation))
    parts = parts_of(plan, load_plugins(environ={}, extra=extra))
    assert {part.name for part in parts} == {*OURS, *({"mean"} if "both" in extra else extra)}
    nothing = without(plan, parts)
    weights, numbers = reached(nothing, dataset, tmp_path / "nothing", "enhanced", extra)
    baseline, plain = reached(plan, dataset, tmp_path / "baseline", "baseline", {})
    assert all(torch.equal(weights[key], value) for key, value in baseline.items())
    assert numbers == plain
    full, _ = reached(plan, dataset, tmp_path / "full", "enhanced", extra)
    assert not all(torch.equal(full[key], value) for key, value in baseline.items())


def test_each_objective_matters(plan, dataset, tmp_path):
    """Leaving one out gives other weights or other numbers than all of them, and than leaving another out."""
    plan = replace(plan, d3=replace(plan.d3, gradient_share=1.0), classifiers=("softmax", "student"))
    parts = parts_of(plan, load_plugins(environ={}))
    found = [reached(plan, dataset, tmp_path / "full", "enhanced", {})]
    found += [reached(without(plan, [part]), dataset, tmp_path / part.name, "enhanced", {}) for part in parts]
    told = [(str([value.sum().item() for value in weights.values()]), str(numbers)) for weights, numbers in found]
    assert len(set(told)) == 4


def test_a_plugin_is_blocked_where_nothing_else_is_lost(plan):
    parts = {part.name: part for part in parts_of(plan, load_plugins(environ={}, extra={"both": Both()}))}
    assert {name: part.blocked for name, part in parts.items()} == dict.fromkeys(OURS, True) | {"mean": False}
    assert without(plan, [parts["o2dbd"], parts["id2sd"]]).block == ("id2sd", "o2dbd")
    assert without(plan, [parts["o2dbd"]]).d3 == plan.d3
    silent = without(plan, [parts["mean"]])
    assert silent.block == ()
    for name in ("student_weights", "generator_weights", "classifier_weights"):
        assert getattr(silent.d3, name) == {"mean": 0.0}


def test_what_was_asked_of_its_weights_goes_with_it(plan):
    """A weight that names what is not there would be refused."""
    asked = replace(plan, d3=replace(plan.d3, student_weights={"id2sd": 2.0, "id2sd/labels": 3.0, "o2dbd": 4.0}))
    parts = {part.name: part for part in parts_of(asked, load_plugins(environ={}))}
    assert without(asked, [parts["id2sd"]]).d3.student_weights == {"o2dbd": 4.0}


def test_plugins_that_were_blocked_before_stay_so(plan):
    blocked = replace(plan, block=("o2dbd",))
    plugins = load_plugins(environ={}, block=["o2dbd"])
    parts = parts_of(blocked, plugins)
    assert [part.name for part in parts] == ["classify", "id2sd"]
    assert without(blocked, parts).block == ("o2dbd", "classify", "id2sd")
    assert without(blocked, [Part("o2dbd", "o2dbd")]).block == ("o2dbd",)


def test_an_optional_objective_takes_part_where_it_is_named(plan):
    plugins = load_plugins(environ={}, extra={"optional": Optional()})
    assert [part.name for part in parts_of(plan, plugins)] == OURS
    named = replace(plan, d3=D3Settings(student_weights={"mean/size": 1.0}))
    parts = {part.name: part for part in parts_of(named, plugins)}
    assert sorted(parts) == ["classify", "id2sd", "mean", "o2dbd"]
    assert without(named, [parts["mean"]]).d3.student_weights == {}


def test_an_objective_that_weighs_nothing_takes_no_part(plan):
    silent = {"student_weights": {"o2dbd": 0.0}, "generator_weights": {"o2dbd": 0.0}}
    assert [part.name for part in parts_of(replace(plan, d3=D3Settings(**silent)), load_plugins(environ={}))] == [
        "classify",
        "id2sd",
    ]
