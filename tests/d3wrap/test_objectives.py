"""The objectives in every variant: finite, differentiable down to the features, and with the parameters they say."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import d3wrap
from d3wrap import losses
from d3wrap.batch import ClassifierStep, D3Batch
from d3wrap.networks import Student, Teacher
from d3wrap.objectives.classify import Classify
from d3wrap.objectives.id2sd import ID2SD
from d3wrap.objectives.o2dbd import O2DBD
from d3wrap.settings import D3Settings
from d3wrap.specs import ObjectiveContext

SWITCHES = ("standardised_score", "single_softmax_code", "guarded_code", "scaled_similarity", "class_balanced")


class World:
    """A dataset with a random teacher and student in float64, and a batch of real and generated features."""

    def __init__(self):
        self.dataset = d3wrap.synthetic(7, 3, 9, 4, 20).to("cpu", torch.float64)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.teacher = Teacher(9, 6, 4).double().requires_grad_(False)
            self.student = Student(9, 6, 7).double()
            self.features = torch.rand(14, 9, dtype=torch.float64).requires_grad_()
        self.labels = torch.cat([self.dataset.train_labels[::7][:8], self.dataset.unseen.repeat(2)])

    def context(self, **settings):
        settings = D3Settings(**settings).resolved()
        logits = self.teacher(self.dataset.train_features).logits
        return ObjectiveContext(settings, self.dataset, self.teacher, self.student, logits)

    def batch(self, num_real=8):
        return D3Batch(
            self.features, self.labels, num_real, self.teacher(self.features), self.student(self.features),
            self.dataset.seen, self.dataset.unseen,
        )  # fmt: skip


@pytest.fixture
def world():
    return World()


def test_rows_are_told_apart(world):
    batch = world.batch()
    assert batch.is_unseen.tolist() == [label in world.dataset.unseen.tolist() for label in world.labels.tolist()]
    assert batch.features[batch.real].shape == (8, 9)
    part = batch.student[batch.real]
    assert torch.equal(part.embedding, batch.student.embedding[:8])
    assert torch.equal(part.logits, batch.student.logits[:8])


def test_classification_is_the_cross_entropy_over_all_rows_and_classes(world):
    batch = world.batch()
    terms = Classify().on_batch(batch)
    assert set(terms) == {"nll"}
    torch.testing.assert_close(terms["nll"], F.cross_entropy(batch.student.logits, batch.labels))


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("single", [True, False])
def test_id2sd_is_of_the_real_rows_alone(world, scaled, balanced, single):
    settings = D3Settings(
        scaled_similarity=scaled, class_balanced=balanced, single_softmax=single, alpha=4.0, beta=0.2, temperature=3.0
    ).resolved()
    batch = world.batch()
    terms = ID2SD(settings).on_batch(batch)
    teacher, student = world.teacher(world.features[:8]), world.student(world.features[:8])
    logit = losses.similarity(4.0, 0.2) if scaled else losses.RELEASED_SIMILARITY
    expected = {
        "embedding": losses.id2sd_embedding(
            teacher.embedding, student.embedding, world.labels[:8], logit=logit, balanced=balanced
        ),
        "labels": losses.id2sd_labels(
            teacher.logits, student.logits[:, world.dataset.seen], temperature=3.0, double_softmax=not single
        ),
    }
    assert terms.keys() == expected.keys()
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name])
    (gradient,) = torch.autograd.grad(sum(terms.values()), world.features)
    assert gradient[:8].abs().sum() > 0
    assert not gradient[8:].any()


def test_id2sd_leaves_generated_rows_out_even_if_they_are_nan(world):
    batch = world.batch()
    with torch.no_grad():
        world.features[8:] = float("nan")
    found = ID2SD(D3Settings().resolved()).on_batch(world.batch())
    for name, value in ID2SD(D3Settings().resolved()).on_batch(batch).items():
        assert torch.equal(found[name], value)


@pytest.mark.parametrize("relation", ["classes", "groups", "gram"])
@pytest.mark.parametrize("code", ["head", "mass"])
@pytest.mark.parametrize("switches", list(itertools.product([True, False], repeat=3)))
def test_every_o2dbd_is_finite_and_reaches_every_row(world, relation, code, switches):
    chosen = dict(zip(SWITCHES[:3], switches, strict=True))
    objective = O2DBD(world.context(relation=relation, student_code=code, **chosen))
    terms = objective.on_batch(world.batch())
    assert set(terms) == {"relation"}
    assert terms["relation"].isfinite()
    assert terms["relation"].dtype == torch.float64
    (gradient,) = torch.autograd.grad(terms["relation"], world.features)
    assert gradient.isfinite().all()
    assert (gradient.abs().sum(1) > 0).all()


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("relation", ["classes", "groups", "gram"])
def test_o2dbd_relates_what_it_says(world, relation, scaled, balanced):
    objective = O2DBD(
        world.context(relation=relation, scaled_similarity=scaled, class_balanced=balanced, alpha=4.0, beta=0.2)
    )
    batch = world.batch()
    teacher = objective.teacher_code(batch.teacher.logits)
    student = objective.student_code(batch.student.logits, batch.seen, batch.unseen)
    if relation == "gram":
        expected = losses.o2dbd_gram(student, teacher)
    else:
        groups = batch.labels if relation == "classes" else batch.is_unseen
        logit = losses.similarity(4.0, 0.2) if scaled else losses.RELEASED_SIMILARITY
        expected = losses.o2dbd(student, teacher, groups, logit=logit, balanced=balanced)
    torch.testing.assert_close(objective.on_batch(batch)["relation"], expected)


@pytest.mark.parametrize("standardised", [True, False])
def test_the_guarded_code_is_one_half_at_the_lowest_twentieth_of_the_training_rows(world, standardised):
    context = world.context(guarded_code=True, standardised_score=standardised)
    objective = O2DBD(context)
    scores = context.train_teacher_logits.log_softmax(1).amax(1)
    kappa = objective.teacher_code(context.train_teacher_logits)[:, 0]
    below = float((kappa < 0.5).double().mean())
    assert below == pytest.approx(0.05, abs=1 / len(scores))
    at = losses.ood_score(context.train_teacher_logits).quantile(0.05)
    std = scores.std() if standardised else 1.0
    torch.testing.assert_close(kappa, torch.sigmoid((scores - at) / std))


def test_the_standardisation_is_that_of_the_training_rows(world):
    context = world.context(standardised_score=True, guarded_code=False)
    objective = O2DBD(context)
    scores = losses.ood_score(context.train_teacher_logits)
    kappa = objective.teacher_code(context.train_teacher_logits)[:, 0]
    torch.testing.assert_close(kappa, torch.sigmoid((scores - scores.mean()) / scores.std()))
    assert set(dict(objective.named_buffers())) == {"mean", "std"}


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("code", ["head", "mass"])
def test_what_is_trained(world, guarded, code):
    objective = O2DBD(world.context(guarded_code=guarded, student_code=code))
    trained = {name for name, parameter in objective.named_parameters() if parameter.requires_grad}
    assert trained == (set() if guarded else {"weight", "offset"}) | (
        {"head.weight", "head.bias"} if code == "head" else set()
    )
    if trained:
        term = objective.on_batch(world.batch())["relation"]
        for gradient in torch.autograd.grad(term, [p for p in objective.parameters() if p.requires_grad]):
            assert gradient.isfinite().all()
            assert gradient.any()


def test_the_released_code_starts_from_one_and_zero(world):
    context = world.context(formulation="released")
    objective = O2DBD(context)
    kappa = torch.sigmoid(losses.ood_score(context.train_teacher_logits))
    expected = torch.softmax(torch.stack([kappa, 1 - kappa], 1), 1)
    torch.testing.assert_close(objective.teacher_code(context.train_teacher_logits), expected)


def test_a_teacher_that_scores_every_row_alike_gives_a_finite_code(world):
    context = replace(world.context(), train_teacher_logits=torch.zeros(20, 4, dtype=torch.float64))
    assert O2DBD(context).teacher_code(torch.zeros(3, 4, dtype=torch.float64)).isfinite().all()


def objectives(world, **settings):
    context = world.context(**settings)
    return ID2SD(context.settings), O2DBD(context)


@pytest.mark.parametrize("formulation", ["corrected", "released"])
def test_a_step_of_the_student_as_classifier_has_the_terms_of_a_batch(world, formulation):
    batch = world.batch()
    step = ClassifierStep("student", batch.features, batch.labels, batch.student.logits, batch)
    for objective in objectives(world, formulation=formulation):
        found, expected = objective.on_classifier_step(step), objective.on_batch(batch)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in found)


def test_other_classifiers_are_left_alone(world):
    batch = world.batch()
    step = ClassifierStep("softmax", batch.features, batch.labels, batch.student.logits)
    assert [objective.on_classifier_step(step) for objective in objectives(world)] == [None, None]
    assert not hasattr(Classify(), "on_classifier_step")  # the classifier has its cross-entropy already


@pytest.mark.parametrize("formulation", ["corrected", "released"])
@pytest.mark.parametrize("num_real", [0, 14])
def test_a_step_without_real_or_without_generated_rows_is_finite(world, formulation, num_real):
    with torch.no_grad():
        labels = world.dataset.seen if num_real else world.dataset.unseen
        world.labels = labels.repeat(14)[:14]
    batch = world.batch(num_real)
    step = ClassifierStep("student", batch.features, batch.labels, batch.student.logits, batch)
    for objective in objectives(world, formulation=formulation):
        for value in (objective.on_classifier_step(step) or {}).values():
            assert value.isfinite()
