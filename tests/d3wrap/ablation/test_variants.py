"""Which variants there are, and what each of them changes."""

from dataclasses import fields, replace

import pytest

from d3wrap.ablation.variants import CORRECTIONS, variants_of
from d3wrap.errors import ConfigError
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import AdapterSpec, ObjectiveSpec

SWITCHES = [
    "scaled_similarity", "class_balanced", "single_softmax", "standardised_score", "single_softmax_code",
    "guarded_code", "student_code", "relation", "gradient_share",
]  # fmt: skip
SHARE = 0.05
"""What suits the generator of these tests; not the 0.1 of others."""


@pytest.fixture
def variants(plan, plugins):
    return {variant.name: variant for variant in variants_of(plan, plugins, SHARE).all}


def test_every_variant_has_its_name(variants):
    objectives = ("classify", "id2sd", "o2dbd")
    assert list(variants) == [
        "baseline",
        "full",
        *(f"without-{name}" for name in objectives),
        *(f"only-{name}" for name in objectives),
        *(f"without-{name}" for name in (*SWITCHES, "weights")),
        "released",
        *(f"released+{name}" for name in (*SWITCHES, "weights")),
    ]
    assert list(CORRECTIONS) == [*SWITCHES, "weights"]
    assert [variant.arm for variant in variants.values()] == ["baseline", *["enhanced"] * 28]


@pytest.mark.parametrize("name", SWITCHES)
def test_a_correction_off_is_that_one_as_released(variants, plan, name):
    full, released = (D3Settings(form).resolved(SHARE) for form in ("corrected", "released"))
    off = variants[f"without-{name}"].plan.d3.resolved(SHARE)
    assert getattr(off, name) == getattr(released, name) != getattr(full, name)
    others = [field.name for field in fields(D3Settings) if field.name != name]
    assert [getattr(off, other) for other in others] == [getattr(plan.d3.resolved(SHARE), other) for other in others]


@pytest.mark.parametrize("name", SWITCHES)
def test_a_correction_alone_is_all_others_as_released(variants, name):
    full, released = (D3Settings(form).resolved(SHARE) for form in ("corrected", "released"))
    alone = variants[f"released+{name}"].plan.d3.resolved(SHARE)
    assert getattr(alone, name) == getattr(full, name)
    assert [getattr(alone, other) for other in SWITCHES if other != name] == [
        getattr(released, other) for other in SWITCHES if other != name
    ]
    assert (alone.formulation, alone.teacher_epochs, alone.embedding_dim) == ("released", 1, 4)


@pytest.mark.parametrize("term", ["classify/nll", "id2sd/labels", "o2dbd/relation"])
@pytest.mark.parametrize("total", ["student_weight", "generator_weight", "classifier_weight"])
def test_weights_are_those_of_the_other_formulation_and_switches_are_not(variants, plan, term, total):
    off, alone = variants["without-weights"].plan.d3, variants["released+weights"].plan.d3
    released = D3Settings("released")
    assert getattr(off, total)(term) == getattr(released, total)(term) == 1e-4
    assert getattr(alone, total)(term) == getattr(plan.d3, total)(term) != 1e-4
    for name in SWITCHES:
        assert getattr(off.resolved(SHARE), name) == getattr(plan.d3.resolved(SHARE), name)
        assert getattr(alone.resolved(SHARE), name) == getattr(released.resolved(SHARE), name)


def test_weights_that_were_asked_for_stay(plan, plugins):
    asked = replace(plan, d3=replace(plan.d3, student_weights={"id2sd/labels": 0.25}))
    variants = {variant.name: variant for variant in variants_of(asked, plugins, SHARE).all}
    for name in ("without-weights", "released", "released+weights"):
        assert variants[name].plan.d3.student_weight("id2sd/labels") == 0.25
    assert variants["without-weights"].plan.d3.student_weight("id2sd/embedding") == 1e-4


def test_one_objective_alone_is_all_others_blocked(variants):
    assert variants["only-id2sd"].plan.block == ("classify", "o2dbd")
    assert variants["without-id2sd"].plan.block == ("id2sd",)
    assert variants["only-id2sd"].plan.d3 == variants["full"].plan.d3


def test_what_is_off_already_cannot_be_switched_off(plan, plugins):
    asked = replace(plan, d3=replace(plan.d3, class_balanced=False, relation="gram", gradient_share=0.3))
    variants = {variant.name: variant for variant in variants_of(asked, plugins, SHARE).all}
    assert "without-class_balanced" not in variants
    assert variants["released+class_balanced"].plan.d3.class_balanced is True
    assert variants["without-relation"].plan.d3.relation == "classes"
    assert variants["released+relation"].plan.d3.relation == "gram"  # as the command asks for it
    assert variants["released+gradient_share"].plan.d3.gradient_share == 0.3
    assert variants["released"].plan.d3.resolved(SHARE).relation == "classes"


def test_of_the_released_form_nothing_can_be_switched_off(plan, plugins):
    released = replace(plan, d3=replace(plan.d3, formulation="released"))
    found = variants_of(released, plugins, SHARE)
    names = [variant.name for variant in found.all]
    assert "released" not in names
    assert not any(f"without-{name}" in names for name in CORRECTIONS)
    assert [name for name in names if name.startswith("released+")] == [f"released+{name}" for name in CORRECTIONS]
    assert "released is left out: it is full" in found.remarks


def test_what_trains_alike_is_trained_once(plan):
    found = variants_of(
        replace(plan, block=("id2sd", "o2dbd")), load_plugins(environ={}, block=["id2sd", "o2dbd"]), SHARE
    )
    assert "only-classify is left out: it is full" in found.remarks
    assert "only-classify" not in [variant.name for variant in found.all]


def test_groups_and_names_choose(plan, plugins):
    variants = variants_of(plan, plugins, SHARE)

    def names(kinds, only=()):
        return [variant.name for variant in variants.chosen(kinds, only)]

    assert names([]) == names(["objective", "correction"]) == [variant.name for variant in variants.all]
    assert len(names(["objective"])) == 2 + 6
    assert len(names(["correction"])) == 2 + 21
    assert names([], ["released"]) == ["baseline", "full", "released"]
    assert names([], ["full"]) == ["baseline", "full"]
    assert names(["objective"], ["released"]) == [*names(["objective"]), "released"]
    with pytest.raises(ConfigError, match=r"--only: no variant is called 'without-o2bd'; did you mean 'without-o2dbd'"):
        variants.chosen([], ["without-o2bd"])


class Both:
    """A plugin that registers two things."""

    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("mean", "small features", lambda _: None, ("size",)))

    @hookimpl
    def register_adapters(self, register):
        register(AdapterSpec("other", "none", lambda _: False, lambda *_, **__: None))


class Hook:
    """A plugin whose hook gives no losses, so that no weight may name it."""

    @hookimpl
    def on_generate(self, features):
        return features


def test_an_objective_that_cannot_be_blocked_alone_is_told(plan):
    found = variants_of(plan, load_plugins(environ={}, extra={"both": Both(), "hook": Hook()}), SHARE)
    (remark,) = [line for line in found.remarks if line.startswith("mean: ")]
    assert "its plugin both registers more than this objective, so its losses weigh 0 instead" in remark
    variants = {variant.name: variant for variant in found.all}
    assert variants["without-mean"].plan.d3.generator_weights == {"mean": 0.0}
    assert sorted(variants["without-weights"].plan.d3.student_weights) == ["classify", "id2sd", "mean", "o2dbd"]
    assert variants["without-hook"].plan.block == ("hook",)


class Silent:
    """A plugin of two objectives that declare no losses."""

    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("one", "says nothing", lambda _: None))
        register(ObjectiveSpec("two", "says nothing", lambda _: None))


def test_an_objective_that_cannot_be_left_out_is_told_and_never_named_by_a_weight(plan):
    found = variants_of(plan, load_plugins(environ={}, extra={"silent": Silent()}), SHARE)
    assert "without-one is left out: it is full" in found.remarks
    assert any(line.startswith("two: its plugin silent registers more") and "cannot" in line for line in found.remarks)
    for variant in found.all:
        assert not {"one", "two"} & variant.plan.d3.weighted


def test_what_a_variant_changes_is_said(variants):
    said = {name: variant.says for name, variant in variants.items()}
    assert said["without-class_balanced"] == "class_balanced: false instead of true"
    assert said["without-gradient_share"] == "gradient_share: 0 instead of 0.05"
    assert said["released+relation"] == "released, but relation: groups instead of classes"
    assert said["without-weights"].startswith(
        "weights: student 0.0001; generator 0.0001; classifier 0.0001 instead of "
    )
    assert "generator classify 0, id2sd 1, o2dbd 1" in said["without-weights"]
