"""A space is checked against the settings before anything is trained, and changes exactly what it names."""

from __future__ import annotations

import dataclasses

import pytest

import d3wrap
from d3wrap.comparison.run import Plan, build
from d3wrap.config import Override
from d3wrap.errors import ConfigError
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import BackboneSettings
from d3wrap.tuning.default_space import filled_space
from d3wrap.tuning.setup import make_tuning
from d3wrap.tuning.space import Settings, of_arm, read_space, with_parameters
from d3wrap.tuning.values import OneOf, Range

PLUGINS = load_plugins(environ={})
SPEC = PLUGINS.generator("clswgan")
SETTINGS = Settings(SPEC.presets["small"], D3Settings().resolved())


def read(values, settings=SETTINGS, plugins=PLUGINS):
    return read_space([Override(key, value, f"--search {key}") for key, value in values.items()], settings, plugins)


def test_values_take_the_type_of_the_setting():
    space = read(
        {
            "set.lr": "1..2",
            "set.hidden": "16..64:log",
            "set.noise_dim": "null|8",
            "d3.gradient_share": "1..2",
            "d3.class_balanced": "true|false",
            "d3.relation": "groups|gram",
            "d3.student_weights.id2sd/labels": "0..2",
        }
    )
    assert space["set.lr"] == Range(1.0, 2.0)
    assert isinstance(space["set.lr"].low, float)
    assert space["set.hidden"] == Range(16, 64, log=True)
    assert isinstance(space["set.hidden"].low, int)
    assert space["set.noise_dim"] == OneOf((None, 8))
    assert isinstance(space["d3.gradient_share"].high, float)
    assert space["d3.class_balanced"] == OneOf((True, False))
    assert space["d3.student_weights.id2sd/labels"] == Range(0.0, 2.0)


def test_a_file_may_nest_them():
    nested = {"set": {"lr": "1e-4..1e-3"}, "d3": {"student_weights": {"id2sd": "0..1"}, "relation": ["groups", "gram"]}}
    assert list(read(nested)) == ["set.lr", "d3.student_weights.id2sd", "d3.relation"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": "1..2"}, r"--search lr: expected set\.KEY for a setting of the generator.*did you mean 'set\.lr'"),
        ({"set.lrr": "1..2"}, r"found 'set\.lrr'; did you mean 'set\.lr'"),
        ({"d3.gradient_shar": "1..2"}, r"did you mean 'd3\.gradient_share'"),
        ({"d3.student_weights.id2d": "0..1"}, r"did you mean 'd3\.student_weights\.id2sd'"),
        ({"d3.student_weights": "0..1"}, r"found 'd3\.student_weights'"),
        ({"d3.alpha.id2sd": "0..1"}, r"found 'd3\.alpha\.id2sd'"),
        ({"set.hidden": "0.5..64"}, "--search set.hidden: expected an integer, found the number 0.5"),
        ({"set.lr": "a|b"}, "--search set.lr: expected a number, found the text 'a'"),
        ({"d3.relation": "groups|grams"}, "expected one of .*, found the text 'grams'"),
        ({"d3.class_balanced": "0..1"}, "expected true or false"),
        ({"d3.alpha": "0..1"}, r"--search d3.alpha: alpha: expected a number above 0, found 0\.0"),
        ({"d3.student_weights.id2sd": "-1..1"}, "expected weights of 0 or more"),
        ({"d3.alpha": "1|1.0"}, "two or more different values"),
        ({"set.lr": "1..2", "set": {"lr": "1..2"}}, r"--search set\.lr: given twice"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        read(values)


def test_a_blocked_objective_has_no_weight():
    with pytest.raises(ConfigError, match=r"found 'd3\.student_weights\.id2sd'"):
        read({"d3.student_weights.id2sd": "0..1"}, plugins=load_plugins(environ={}, block=["id2sd"]))


def test_values_now():
    settings = Settings(SPEC.presets["small"], D3Settings(student_weights={"id2sd": 0.5}).resolved())
    assert settings.value("set.lr") == SPEC.presets["small"].lr
    assert settings.value("d3.gradient_share") == 0.1
    assert settings.value("d3.student_weights.id2sd/labels") == 0.5
    assert settings.value("d3.generator_weights.classify") == 0.0
    released = Settings(SPEC.presets["small"], D3Settings("released").resolved())
    assert released.value("d3.generator_weights.o2dbd") == 1e-4
    optional = dataclasses.replace(settings, optional={"own"})
    assert optional.value("d3.student_weights.own/term") == 0.0
    named = dataclasses.replace(optional, d3=D3Settings(student_weights={"own": 2.0}).resolved())
    assert named.value("d3.student_weights.own/term") == 2.0


def filled(d3=None, given=None, plugins=PLUGINS, spec=SPEC, preset="small"):
    settings = Settings(spec.presets[preset], (d3 or D3Settings()).resolved())
    return {key: str(values) for key, values in filled_space(given or {}, settings, spec, plugins).items()}


def test_the_default_space_lies_around_what_is_set():
    assert filled() == {
        "set.lr": "0.0001..0.0016:log",
        "set.classification_weight": "0.0025..0.04:log",
        "d3.gradient_share": "0.01..0.3:log",
        "d3.student_weights.id2sd": "0.1..10.0:log",
        "d3.alpha": "2.5..40.0:log",
        "d3.temperature": "1.0..8.0:log",
    }


def test_what_does_nothing_is_not_searched():
    assert [key for key in filled(D3Settings("released")) if key.startswith("d3")] == [
        "d3.generator_weights.o2dbd",
        "d3.student_weights.id2sd",
    ]
    without = load_plugins(environ={}, block=["id2sd"])
    assert [key for key in filled(plugins=without) if key.startswith("d3")] == ["d3.gradient_share", "d3.alpha"]
    without = load_plugins(environ={}, block=["o2dbd"])
    assert "d3.gradient_share" not in filled(plugins=without)
    reaching = D3Settings(generator_weights={"classify": 1.0})
    assert "d3.gradient_share" in filled(reaching, plugins=without)
    assert "d3.temperature" not in filled(D3Settings(single_softmax=False))
    off = D3Settings(student_weights={"id2sd": 0.0})
    assert "d3.student_weights.id2sd" not in filled(off)


def test_each_part_that_is_named_replaces_its_default():
    assert list(filled(given={"set.hidden": Range(8, 64)})) == ["set.hidden", *list(filled())[2:]]
    assert list(filled(given={"d3.beta": Range(0.0, 1.0)})) == ["d3.beta", *list(filled())[:2]]


@dataclasses.dataclass(frozen=True)
class Odd(BackboneSettings):
    rate: float = 0.0
    count: int = 1
    flag: bool = True


def test_a_generator_that_does_not_say_what_to_search():
    spec = dataclasses.replace(SPEC, settings=Odd, presets={"small": Odd()}, search=())
    with pytest.raises(ConfigError, match="does not say what to search, so the baseline would have nothing"):
        filled(spec=spec)
    spec = dataclasses.replace(spec, search=("rate", "flag", "count", "batch_size"))
    found = filled(spec=spec)
    assert found["set.count"] == "1..4:log"
    assert found["set.batch_size"] == "16..256:log"
    assert not {"set.rate", "set.flag"} & set(found)
    assert filled(spec=dataclasses.replace(SPEC, search=()))["set.lr"] == "0.0001..0.0016:log"


@pytest.mark.parametrize("name", PLUGINS.generators)
@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_every_generator_has_a_default_space_that_fits(name, formulation):
    spec = PLUGINS.generator(name)
    for preset in spec.presets.values():
        settings = Settings(preset, D3Settings(formulation).resolved())
        space = filled_space({}, settings, spec, PLUGINS)
        assert len(of_arm(space, "baseline")) == len(spec.search) >= 1
        assert read({key: str(values) for key, values in space.items()}, settings) == space
        for key, values in space.items():
            assert values.holds(settings.value(key)), key


def test_the_baseline_has_nothing_of_d3_and_the_generators_come_first():
    space = {"d3.alpha": Range(1.0, 2.0), "set.lr": Range(1e-4, 1e-3)}
    assert list(of_arm(space, "baseline")) == ["set.lr"]
    assert list(of_arm(space, "enhanced")) == ["set.lr", "d3.alpha"]


PARAMETERS = {
    "set.lr": 0.001,
    "set.hidden": 8,
    "d3.alpha": 3.0,
    "d3.student_weights.id2sd": 0.5,
    "d3.student_weights.id2sd/labels": 2.0,
}


@pytest.mark.parametrize(
    "settings", [{"hidden": 16, "steps": 3}, (Override("hidden", 16, ""), Override("steps", 3, ""))]
)
def test_a_plan_is_changed_by_what_is_named_alone(settings):
    plan = Plan("clswgan", settings=settings, d3=D3Settings(student_weights={"o2dbd": 0.1}, beta=0.3))
    changed = with_parameters(plan, PARAMETERS)
    dataset = d3wrap.synthetic(12, 4, 6, 4, 10)
    backbone, enhancer = build(changed, dataset, "enhanced", 0, PLUGINS)
    assert backbone.settings == dataclasses.replace(SPEC.presets["small"], hidden=8, steps=3, lr=0.001)
    assert changed.d3 == D3Settings(
        student_weights={"o2dbd": 0.1, "id2sd": 0.5, "id2sd/labels": 2.0}, beta=0.3, alpha=3.0
    )
    assert enhancer is not None
    assert plan.d3.alpha == 10.0
    assert dataclasses.replace(changed, settings=plan.settings, d3=plan.d3) == plan


def test_defaults_are_those_of_the_plan(plan):
    dataset = d3wrap.load_dataset("synthetic:classes=12,unseen=4,dim=6,samples=10")
    plan = dataclasses.replace(plan, generator="cvae", settings={"lr": 0.007})
    tuning = make_tuning(plan, dataset, PLUGINS)
    assert tuning.defaults["set.lr"] == 0.007
    assert tuning.defaults["d3.gradient_share"] == 0.005  # what suits a VAE
    assert str(tuning.space["d3.gradient_share"]) == "0.0005..0.015:log"
    assert list(tuning.defaults) == list(tuning.space)
