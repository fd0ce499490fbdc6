"""Each switch follows the formulation unless it is set, and no invalid value passes."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import ConfigError
from d3wrap.settings import D3Settings

RELEASED = {
    "scaled_similarity": False,
    "class_balanced": False,
    "single_softmax": False,
    "standardised_score": False,
    "single_softmax_code": False,
    "guarded_code": False,
    "student_code": "head",
    "relation": "classes",
    "gradient_share": 0.0,
}
CORRECTED = {
    **{name: True for name, value in RELEASED.items() if value is False},
    "student_code": "mass",
    "relation": "groups",
    "gradient_share": 0.1,
}
MEANT = {"released": RELEASED, "corrected": CORRECTED}
OTHER = {name: [RELEASED[name], CORRECTED[name]] for name in RELEASED} | {"relation": ["classes", "groups", "gram"]}


@pytest.mark.parametrize("formulation", MEANT)
def test_the_formulation_decides_every_switch(formulation):
    settings = D3Settings(formulation=formulation)
    assert all(getattr(settings, name) is None for name in RELEASED)
    found = asdict(settings.resolved())
    assert {name: found[name] for name in RELEASED} == MEANT[formulation]
    assert {k: v for k, v in found.items() if k not in RELEASED} == {
        k: v for k, v in asdict(settings).items() if k not in RELEASED
    }


@given(formulation=st.sampled_from(sorted(MEANT)), data=st.data())
def test_a_switch_that_is_set_stays_and_moves_no_other(formulation, data):
    names = data.draw(st.sets(st.sampled_from(sorted(OTHER))))
    chosen = {name: data.draw(st.sampled_from(OTHER[name])) for name in names}
    found = D3Settings(formulation=formulation, **chosen).resolved()
    assert {name: getattr(found, name) for name in RELEASED} == MEANT[formulation] | chosen
    assert found.resolved() == found


def test_a_share_of_zero_is_not_taken_for_unset():
    assert D3Settings(gradient_share=0.0).resolved().gradient_share == 0.0


INVALID = [
    *(("formulation", value) for value in ("Released", "", None)),
    *(("student_code", value) for value in ("heads", "")),
    *(("relation", value) for value in ("class", "")),
    *((name, v) for name in ("alpha", "temperature", "teacher_lr", "student_lr") for v in (0, -1.0, "nan", "inf")),
    *(("beta", value) for value in ("nan", "inf")),
    *(
        (name, value)
        for name in ("generated_per_class", "max_unseen_classes", "embedding_dim", "teacher_batch_size")
        for value in (0, -3)
    ),
    *(("gradient_share", value) for value in (-0.1, "nan", "inf")),
    ("teacher_epochs", -1),
    ("student_weights", {"id2sd": "nan"}),
    ("generator_weights", {"o2dbd/relation": "inf"}),
    ("generator_weights", {"o2dbd/relation": -1.0}),
    ("classifier_weights", {"mine": "nan"}),
]


@pytest.mark.parametrize(("name", "value"), INVALID, ids=str)
def test_an_invalid_value_is_refused_by_name(name, value):
    if isinstance(value, dict):
        value = {key: float(weight) for key, weight in value.items()}
    elif value in ("nan", "inf"):
        value = float(value)
    with pytest.raises(ConfigError, match=rf"^{name}: .*expected .*found ") as caught:
        D3Settings(**{name: value})
    assert str(next(iter(value.values())) if isinstance(value, dict) else value) in str(caught.value)


@pytest.mark.parametrize(
    ("formulation", "term", "student", "generator"),
    [
        ("released", "classify/nll", 1e-4, 1e-4),
        ("released", "id2sd/labels", 1e-4, 1e-4),
        ("corrected", "classify/nll", 1.0, 0.0),
        ("corrected", "classifying/nll", 1.0, 1.0),
        ("corrected", "id2sd/labels", 1.0, 1.0),
    ],
)
def test_the_usual_weights(formulation, term, student, generator):
    settings = D3Settings(formulation=formulation).resolved()
    assert (settings.student_weight(term), settings.generator_weight(term)) == (student, generator)


def test_a_terms_own_weight_goes_before_its_objectives():
    weights = {"id2sd": 2.0, "id2sd/labels": 0.0, "classify": 3.0}
    settings = D3Settings(student_weights=weights, generator_weights=weights).resolved()
    for weight in (settings.student_weight, settings.generator_weight):
        assert [weight(term) for term in ("id2sd/embedding", "id2sd/labels", "classify/nll", "o2dbd/relation")] == [
            2.0,
            0.0,
            3.0,
            1.0,
        ]


TERMS = ("classify/nll", "id2sd/labels", "o2dbd/relation", "mine/term")


@pytest.mark.parametrize(
    ("of", "corrected"),
    [("student", [1, 1, 1, 1]), ("generator", [0, 1, 1, 1]), ("classifier", [1, 0, 0, 1])],
)
def test_what_a_term_weighs_unless_it_is_named(of, corrected):
    assert [getattr(D3Settings(), f"{of}_weight")(term) for term in TERMS] == corrected
    released = D3Settings(formulation="released")
    assert [getattr(released, f"{of}_weight")(term) for term in TERMS] == [1e-4] * 4
    named = D3Settings(**{f"{of}_weights": dict.fromkeys(("classify", "id2sd/labels", "o2dbd"), 0.5)})
    assert [getattr(named, f"{of}_weight")(term) for term in TERMS] == [0.5, 0.5, 0.5, 1]
