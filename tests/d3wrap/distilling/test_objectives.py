"""The losses as objectives: in a distillation, and for the GZSL student where a weight names them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from d3wrap.batch import D3Batch, Embedded
from d3wrap.distilling import losses
from d3wrap.distilling.objectives import PREFIX, TERMS, DistillContext, real_rows
from d3wrap.distilling.settings import DistillSettings
from d3wrap.errors import ConfigError, PluginError
from d3wrap.seeds import stream
from d3wrap.settings import D3Settings

TAU = 0.2


@pytest.fixture
def world():
    """Features of a student and a teacher, texts, captions and labels, in float64; class 1 is unseen."""
    rng = stream(0, "tests/objectives")
    student, teacher, captions = (torch.randn(7, 5, dtype=torch.float64, generator=rng) for _ in range(3))
    text = torch.randn(4, 5, dtype=torch.float64, generator=rng)
    return student, teacher, captions, text, torch.tensor([0, 2, 3, 3, 0, 2, 2])


def batch_of(world, *, generated=0, captions=True):
    student, teacher, captioned, text, labels = world
    seen = torch.tensor([0, 2, 3])
    ours, theirs, unit = (F.normalize(one, dim=1) for one in (student, teacher, text))
    return D3Batch(
        features=student,
        labels=labels,
        num_real=7 - generated,
        teacher=Embedded(theirs, theirs @ unit[seen].T / TAU),
        student=Embedded(ours, ours @ unit.T / TAU),
        seen=seen,
        unseen=torch.tensor([1]),
        captions=captioned if captions else None,
    )


def expected(name, world, rows=slice(None)):
    student, teacher, captions, text, labels = (one if i == 3 else one[rows] for i, one in enumerate(world))
    places = torch.searchsorted(torch.tensor([0, 2, 3]), labels)
    text = text[[0, 2, 3]]
    return {
        "cls": lambda: losses.classification(student, text, places, temperature=TAU),
        "mse": lambda: losses.feature_match(student, teacher),
        "contrastive": lambda: losses.image_contrastive(student, teacher, temperature=TAU, symmetric=False),
        "proximity": lambda: losses.text_proximity(
            student, teacher, text, places, k=2, temperature=TAU, only_right=False
        ),
        "caption": lambda: losses.caption_contrastive(student, captions, places, temperature=TAU),
    }[name]()


def built(plugins, name, **settings):
    return plugins.objective(PREFIX + name).build(DistillContext(DistillSettings(**settings)))


@pytest.mark.parametrize("name", TERMS)
def test_an_objective_is_its_loss_over_the_seen_classes(plugins, world, name):
    objective = built(plugins, name, temperature=TAU, symmetric=False, nearest_texts=2, only_right=False)
    found = objective.on_batch(batch_of(world))
    assert list(found) == list(plugins.objective(PREFIX + name).terms)
    torch.testing.assert_close(next(iter(found.values())), expected(name, world))


@pytest.mark.parametrize("name", TERMS)
def test_generated_rows_take_no_part(plugins, world, name):
    objective = built(plugins, name, temperature=TAU, symmetric=False, nearest_texts=2, only_right=False)
    found = objective.on_batch(batch_of(world, generated=2))
    torch.testing.assert_close(next(iter(found.values())), expected(name, world, slice(0, 5)))


def test_captions_must_be_there(plugins, world):
    with pytest.raises(ConfigError, match="--captions"):
        built(plugins, "caption").on_batch(batch_of(world, captions=False))


def test_labels_become_places_among_the_seen_classes(world):
    assert real_rows(batch_of(world)).labels.tolist() == [0, 1, 2, 2, 0, 1, 1]


def test_they_leave_an_enhancer_alone_unless_a_weight_names_them(tiny, enhancer_of_tiny):
    losses_ = enhancer_of_tiny().on_batch(tiny.train_features[:8], tiny.train_labels[:8])
    assert not [name for name in losses_.terms if name.startswith(PREFIX)]


@pytest.mark.parametrize("teacher", ["ood", "vlm"])
def test_the_gzsl_student_can_imitate_its_teacher_by_them(tiny, enhancer_of_tiny, teacher):
    named = {f"{PREFIX}{name}": 1.0 for name in TERMS if name != "caption"}
    enhancer = enhancer_of_tiny(teacher=teacher, teacher_temperature=TAU, student_weights=named)
    features, labels = tiny.train_features[:8], tiny.train_labels[:8]
    enhancer.prepare()
    with torch.no_grad():
        own, theirs = enhancer.student(features), enhancer.teacher(features)
    found = enhancer.on_batch(features, labels).terms
    assert {name for name in found if name.startswith(PREFIX)} == {f"{PREFIX}{n}/{TERMS[n][0]}" for n in TERMS} - {
        f"{PREFIX}caption/nce"
    }
    torch.testing.assert_close(
        found["vl-contrastive/nce"], losses.image_contrastive(own.embedding, theirs.embedding, temperature=TAU)
    )
    places = torch.searchsorted(tiny.seen, labels)
    torch.testing.assert_close(
        found["vl-proximity/kl"], losses.proximity(own.logits[:, tiny.seen], theirs.logits, places)
    )


def test_captions_are_no_part_of_a_gzsl_dataset(enhancer_of_tiny):
    with pytest.raises((ConfigError, PluginError), match="only d3wrap distill has"):
        enhancer_of_tiny(student_weights={"vl-caption": 1.0}).prepare()


def test_the_temperature_is_that_of_the_settings():
    assert D3Settings().teacher_temperature == DistillSettings().temperature == losses.TEMPERATURE
