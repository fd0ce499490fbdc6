"""Both arms are measured alike, and nothing is fitted to the test rows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

import d3wrap
from d3wrap.batch import ClassifierStep
from d3wrap.errors import ConfigError
from d3wrap.evaluation import ClassifierSettings, arms, synthesise
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS, Fitting
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.networks import Student
from d3wrap.seeds import initialising, stream

SETTINGS = ClassifierSettings(epochs=2, batch_size=16)
OBJECTIVES = ("classify", "id2sd", "o2dbd")
WEIGHED = {"id2sd": 1.0, "o2dbd": 1.0}


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        with initialising(0, "generator"):
            self.map = nn.Linear(4 + 3, 7)

    def generate(self, semantics, *, rng=None):
        return self.map(torch.cat([semantics, torch.randn(len(semantics), 3, generator=rng)], 1)).relu()


@pytest.fixture
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 20)


@pytest.fixture
def enhancer_of(dataset):
    def make(block=(), extra=None, dataset=dataset, **settings):
        plugins = load_plugins(environ={}, block=block, extra=extra)
        enhancer = d3wrap.enhance(
            Linear(), dataset, plugins=plugins, **({"teacher_epochs": 1, "embedding_dim": 5} | settings)
        )
        enhancer.prepare()
        return enhancer

    return make


@pytest.fixture
def fitted(monkeypatch):
    """Return the networks that each evaluation fits, by classifier."""
    kept = []
    fit = Fitting.fit

    def keep(self, *arguments):
        kept.append(fit(self, *arguments))
        return kept[-1]

    monkeypatch.setattr(Fitting, "fit", keep)
    return kept


def evaluate(dataset, enhancer=None, *, seed=0, **options):
    options = {"synthetic_per_class": 10, "embedding_dim": 5, "settings": SETTINGS} | options
    return evaluate_generator(Linear(), dataset, seed=seed, enhancer=enhancer, **options)


def numbers(evaluation):
    return {name: metrics.as_dict() for name, metrics in evaluation.items()}


def assert_equal_models(one, other, same=True):
    for name in CLASSIFIERS:
        states = [models[name].state_dict() for models in (one, other)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items()) == same, name


@pytest.mark.parametrize("formulation", [None, "corrected", "released"])
def test_one_seed_gives_one_result(dataset, enhancer_of, fitted, formulation):
    def run(seed):
        torch.rand(seed + 1)
        return numbers(evaluate(dataset, formulation and enhancer_of(formulation=formulation), seed=seed))

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert_equal_models(fitted[0], fitted[1])
    assert first != other
    assert_equal_models(fitted[0], fitted[2], same=False)


def test_evaluating_leaves_enhancer_generator_and_global_stream_alone(dataset, enhancer_of, fitted):
    enhancer = enhancer_of(formulation="released")
    before = {name: value.clone() for name, value in enhancer.state_dict().items()}
    state = torch.get_rng_state()
    first, again = (numbers(enhancer.evaluate(synthetic_per_class=10, settings=SETTINGS)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first == again
    assert_equal_models(*fitted)
    for name, value in enhancer.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(fitted[0]["student"].student.embed.weight, enhancer.student.embed.weight)


def test_a_later_training_step_does_not_depend_on_an_evaluation_before_it(dataset, enhancer_of):
    states = []
    for evaluated in (False, True):
        enhancer = enhancer_of(formulation="released")
        if evaluated:
            enhancer.evaluate(synthetic_per_class=10, settings=SETTINGS)
        losses = enhancer.on_batch(dataset.train_features[:8], dataset.train_labels[:8])
        states.append({**enhancer.state_dict(), "total": losses.total.detach()})
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_without_an_enhancer_the_student_is_of_the_same_sizes_and_start(dataset, enhancer_of, monkeypatch):
    starts = []
    fit_classifier = d3wrap.evaluation.fitting.fit_classifier

    def keep(model, features, labels, **options):
        starts.append({name: value.clone() for name, value in model.state_dict().items()})
        fit_classifier(model, features, labels, **options)

    monkeypatch.setattr("d3wrap.evaluation.fitting.fit_classifier", keep)
    evaluate(dataset)
    evaluate(dataset, enhancer_of())  # its student has had no step
    assert len(starts) == 6
    for plain, enhanced in zip(starts[:3], starts[3:], strict=True):
        assert plain.keys() == enhanced.keys()
        for name, value in plain.items():
            assert torch.equal(value, enhanced[name]), name
    with initialising(0, "student"):
        student = Student(7, 5, 6)
    for name, value in student.state_dict().items():
        assert torch.equal(value, starts[1][f"student.{name}"]), name


def test_an_enhancer_without_objectives_is_measured_like_the_baseline(dataset, enhancer_of, fitted):
    assert numbers(evaluate(dataset)) == numbers(evaluate(dataset, enhancer_of(block=OBJECTIVES)))
    assert_equal_models(*fitted)


def test_an_enhancer_changes_the_student_and_what_stands_on_it_and_not_the_softmax(dataset, enhancer_of, fitted):
    evaluate(dataset)
    evaluate(dataset, enhancer_of(classifier_weights={"id2sd": 1.0}))
    same = [
        all(torch.equal(v, fitted[1][name].state_dict()[k]) for k, v in fitted[0][name].state_dict().items())
        for name in CLASSIFIERS
    ]
    assert same == [True, False, False]


@pytest.mark.parametrize("enhanced", [False, True])
def test_neither_labels_nor_features_of_test_rows_move_any_weight(dataset, enhancer_of, fitted, enhanced):
    test = torch.cat([dataset.test_seen, dataset.test_unseen])
    rng = stream(0, "shuffle")
    labels, features = dataset.labels.clone(), dataset.features.clone()
    for rows in (dataset.test_seen, dataset.test_unseen):
        labels[rows] = labels[rows][torch.randperm(len(rows), generator=rng)]
    features[test] = torch.rand(len(test), 7, generator=rng)
    results = [
        numbers(evaluate(changed, enhancer_of(dataset=changed, classifier_weights=WEIGHED) if enhanced else None))
        for changed in (dataset, replace(dataset, labels=labels), replace(dataset, features=features))
    ]
    assert_equal_models(fitted[0], fitted[1])
    assert_equal_models(fitted[0], fitted[2])
    assert results[0] != results[1]
    assert results[0] != results[2]


def test_test_rows_are_looked_at_once_when_every_classifier_is_trained(dataset, monkeypatch):
    events = []
    measure, fit = arms._measure, Fitting.fit
    monkeypatch.setattr(arms, "_measure", lambda *a: (events.append("measure"), measure(*a))[1])
    monkeypatch.setattr(Fitting, "fit", lambda *a: (fit(*a), events.append("fitted"))[0])
    evaluate(dataset)
    assert events == ["fitted", "measure", "measure", "measure"]


def test_classifiers_learn_from_real_seen_and_generated_unseen_rows(dataset):
    generated, labels = synthesise(Linear(), dataset.semantics, dataset.unseen, 10, stream(0, "synthesis"))
    fitting = Fitting(dataset, generated, labels, 0, SETTINGS, None)
    assert fitting.num_real == len(dataset.train)
    assert torch.equal(fitting.features[: fitting.num_real], dataset.features[dataset.train])
    assert torch.equal(fitting.features[fitting.num_real :], generated)
    assert fitting.labels[fitting.num_real :].tolist() == dataset.unseen.repeat_interleave(10).tolist()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_order_of_a_classifiers_rows_is_of_the_seed_and_its_name(dataset, monkeypatch, name):
    streams = {}

    def keep(model, features, labels, *, rng, name, **options):
        streams[name] = torch.rand(4, generator=rng).tolist()

    monkeypatch.setattr("d3wrap.evaluation.fitting.fit_classifier", keep)
    for seed in (1, 2):
        evaluate(dataset, seed=seed)
        assert streams[name] == torch.rand(4, generator=stream(seed, f"classifier/{name}")).tolist()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_generated_features_are_of_the_seed(dataset, monkeypatch, seed):
    given = []
    init = Fitting.__init__
    monkeypatch.setattr(Fitting, "__init__", lambda self, *a: (given.append(a[1]), init(self, *a))[1])
    evaluate(dataset, seed=seed)
    expected, _ = synthesise(Linear(), dataset.semantics, dataset.unseen, 10, stream(seed, "synthesis"))
    assert torch.equal(given[0], expected)


class Recorder:
    """Keeps every step of every classifier."""

    def __init__(self):
        self.steps: list[ClassifierStep] = []

    @hookimpl
    def on_classifier_step(self, step):
        self.steps.append(step)


def test_every_step_shows_its_classifier_and_the_students_its_batch_real_rows_first(dataset, enhancer_of):
    recorder = Recorder()
    enhancer = enhancer_of(extra={"recorder": recorder})
    evaluate(dataset, enhancer)
    rows = len(dataset.train) + 20
    steps_each = 2 * -(-rows // 16)
    assert [step.classifier for step in recorder.steps] == [name for name in CLASSIFIERS for _ in range(steps_each)]
    unseen = set(dataset.unseen.tolist())
    for step in recorder.steps:
        assert step.logits.shape == (len(step.labels), 6)
        generated = [label in unseen for label in step.labels.tolist()]
        assert generated == sorted(generated)  # real rows first
        if step.classifier != "student":
            assert step.batch is None
            continue
        assert step.batch.num_real == generated.count(False)
        assert torch.equal(step.batch.features, step.features)
        assert torch.equal(step.batch.student.logits, step.logits)
        assert torch.equal(step.batch.teacher.logits, enhancer.teacher(step.features).logits)
    epoch = torch.cat([step.labels for step in recorder.steps[: steps_each // 2]])
    assert sorted(epoch.tolist()) == sorted([*dataset.train_labels.tolist(), *dataset.unseen.tolist() * 10])


@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_batches_without_real_or_without_generated_rows_do_no_harm(dataset, enhancer_of, formulation):
    """Batches of one row are all either real or generated."""
    small = replace(dataset, train=dataset.train[::16])
    enhancer = enhancer_of(formulation=formulation, dataset=small, classifier_weights=WEIGHED)
    evaluation = evaluate(small, enhancer, settings=ClassifierSettings(epochs=1, batch_size=1), synthetic_per_class=2)
    assert 0 <= evaluation["student"].H <= 1


def test_generated_features_pass_through_the_hooks(dataset, enhancer_of, fitted):
    class Shift:
        @hookimpl
        def on_generate(self, features):
            return features + 100

    kept = []
    enhancer = enhancer_of(extra={"shift": Shift(), "recorder": (recorder := Recorder())})
    evaluate(dataset, enhancer, classifiers=["softmax"])
    for step in recorder.steps:
        generated = torch.isin(step.labels, dataset.unseen)
        assert (step.features[generated] >= 100).all()
        assert (step.features[~generated] < 100).all()
        kept.append(int(generated.sum()))
    assert sum(kept) == 2 * 20
    assert not fitted[0]["softmax"].linear.weight.isnan().any()


def test_the_embedding_classifier_stands_on_the_fitted_student(dataset, fitted):
    evaluate(dataset)
    models = fitted[0]
    features = dataset.features[:5]
    student = models["student"].student
    expected = models["embedding"][1](student(features).embedding)
    assert torch.equal(models["embedding"](features), expected)
    assert models["embedding"][1].linear.weight.shape == (6, 5)


@pytest.mark.parametrize(
    "classifiers", [["softmax"], ["student"], ["embedding"], ["embedding", "softmax"], CLASSIFIERS]
)
def test_a_choice_of_classifiers_gives_those_and_the_same_numbers(dataset, classifiers):
    whole = numbers(evaluate(dataset))
    found = numbers(evaluate(dataset, classifiers=classifiers))
    assert list(found) == list(classifiers)
    assert all(found[name] == whole[name] for name in classifiers)


def test_an_unknown_classifier_is_refused_before_anything_is_computed(dataset, monkeypatch):
    monkeypatch.setattr(arms, "synthesise", lambda *a: pytest.fail("synthesised"))
    with pytest.raises(ConfigError, match="no classifier is called 'sofmax'; did you mean 'softmax'"):
        evaluate(dataset, classifiers=["student", "sofmax"])


def test_the_table_shows_percent(dataset):
    evaluation = evaluate(dataset, classifiers=["student", "softmax"])
    head, *lines = str(evaluation).splitlines()
    assert head.split() == ["percent", "T1", "U", "S", "H", "AUSUC", "AUROC"]
    for line, (name, metrics) in zip(lines, evaluation.items(), strict=True):
        assert re.split(" +", line) == [name, *(f"{100 * getattr(metrics, m):.1f}" for m in head.split()[1:])]
    assert len(evaluation) == 2
