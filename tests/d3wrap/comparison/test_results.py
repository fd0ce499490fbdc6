import dataclasses
import json

import pytest

from d3wrap.comparison.results import RunResult
from d3wrap.errors import DataError


def test_a_run_survives_json(make_run):
    run = make_run("enhanced", "student", gamma=0.5, U_gamma=0.6, S_gamma=0.7, H_gamma=0.65)
    assert RunResult.from_dict(json.loads(json.dumps(run.as_dict()))) == run


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("U", 65.2, "U: expected a fraction from 0 to 1, found 65.2"),
        ("H", float("nan"), "H: expected a fraction"),
        ("T1", True, "T1: expected a fraction"),
        ("AUROC", "0.5", "AUROC: expected a fraction"),
        ("seed", 1.0, "seed: expected an integer"),
        ("train_fraction", 0.0, "train_fraction: expected a fraction above 0, at most 1, found 0.0"),
        ("train_fraction", 1.5, "train_fraction: expected a fraction above 0"),
        ("steps", 0, "steps: expected an integer, 1 or more"),
        ("training_seconds", -1.0, "training_seconds: expected seconds"),
        ("dataset", "", "dataset: expected text, not empty"),
        ("arm", "Baseline", "arm: expected 'baseline' or 'enhanced', found 'Baseline'"),
        ("classifier", "svm", "classifier: expected 'softmax' or 'student' or 'embedding'"),
        ("per_class", {0: 1.5}, "per_class: expected a mapping from int to a fraction"),
        ("per_class", {"0": 0.5}, "per_class: expected a mapping from int"),
        ("versions", {"torch": 2}, "versions: expected a mapping from str to text"),
        ("test_used_for_selection", 0, "test_used_for_selection: expected true or false"),
        ("test_used_for_selection", True, "contradicts protocol 'honest'"),
        ("formulation", "released", "the baseline arm cannot have 'released'"),
        ("formulation", "corected", "formulation: expected 'released' or 'corrected' or null"),
        ("gamma", 0.5, "all four or none"),
        ("gamma", float("inf"), "gamma: expected a finite number or null"),
    ],
)
def test_a_wrong_value_is_named(make_run, field, value, message):
    with pytest.raises(DataError, match=message):
        make_run(**{field: value})


def test_the_enhanced_arm_needs_a_formulation(make_run):
    with pytest.raises(DataError, match="the enhanced arm cannot have None"):
        make_run("enhanced", formulation=None)


def test_every_field_has_a_check():
    assert all("check" in field.metadata for field in dataclasses.fields(RunResult))


def test_fields_missing_or_unknown_are_named(make_run):
    stored = make_run().as_dict()
    with pytest.raises(DataError, match="AUSUC: missing"):
        RunResult.from_dict({name: value for name, value in stored.items() if name != "AUSUC"})
    with pytest.raises(DataError, match="ausuc: unknown"):
        RunResult.from_dict(stored | {"ausuc": 1})
    with pytest.raises(DataError, match="per_class: expected class ids as keys"):
        RunResult.from_dict(stored | {"per_class": {"rose": 1.0}})
