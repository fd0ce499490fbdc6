"""A vision–language model as the teacher: what stands for its image features, its logits, and what it may look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import d3wrap
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.protocol import Vault, validation_world
from d3wrap.ridge import ridge
from d3wrap.settings import D3Settings
from d3wrap.training.teacher import train_teacher

SETTINGS = D3Settings(teacher="vlm", embedding_dim=9, teacher_temperature=0.5)


@pytest.fixture(scope="module")
def dataset():
    """Scaled features, image features of a teacher that are an affine map of them, and text features."""
    made = d3wrap.synthetic(8, 3, 12, 6, 30, seed=1).to("cpu", torch.float64)
    rng = torch.Generator().manual_seed(0)
    scaler = MinMaxScaler.fit(made.train_features)
    return replace(
        made,
        features=scaler.transform(made.features),
        scaler=scaler,
        teacher_features=made.features @ torch.randn(12, 7, dtype=torch.float64, generator=rng) + 1,
        text_features=torch.randn(8, 7, dtype=torch.float64, generator=rng),
    )


def test_it_has_the_teachers_image_features_of_rows_it_never_saw(dataset):
    teacher = train_teacher(dataset, SETTINGS, 0)
    expected = F.normalize(dataset.teacher_features, dim=1)
    torch.testing.assert_close(teacher.image_features(dataset.features), expected, rtol=1e-5, atol=1e-5)
    logits = expected @ F.normalize(dataset.text_features, dim=1)[dataset.seen].T / 0.5
    torch.testing.assert_close(teacher(dataset.features).logits, logits, rtol=1e-4, atol=1e-4)


def test_without_teacher_features_they_are_the_features_before_scaling(dataset):
    own = replace(dataset, teacher_features=None, text_features=None)
    teacher = train_teacher(own, SETTINGS, 0)
    expected = F.normalize(dataset.scaler.inverse(dataset.features), dim=1)
    torch.testing.assert_close(teacher.image_features(own.features), expected, rtol=1e-5, atol=1e-5)
    unscaled = replace(own, features=dataset.scaler.inverse(dataset.features), scaler=None)
    torch.testing.assert_close(
        train_teacher(unscaled, SETTINGS, 0).image_features(unscaled.features), expected, rtol=1e-5, atol=1e-5
    )


def test_without_text_features_the_semantics_are_mapped_to_the_seen_classes_means(dataset):
    teacher = train_teacher(replace(dataset, text_features=None), SETTINGS, 0)
    rows = dataset.test_seen
    predicted = dataset.seen[teacher(dataset.features[rows]).logits.argmax(1)]
    assert float((predicted == dataset.labels[rows]).double().mean()) > 0.8  # chance is 0.2
    torch.testing.assert_close(teacher.text.norm(dim=1), torch.ones(5, dtype=torch.float64))


def test_classes_of_more_images_weigh_no_more_in_the_map(dataset):
    unequal = replace(dataset, text_features=None, train=dataset.train[20:])
    counts = unequal.train_labels.bincount(minlength=8)[unequal.seen]
    assert counts.min() < counts.max()
    image = F.normalize(unequal.teacher_features, dim=1)
    means = [image[unequal.train][unequal.train_labels == index].mean(0) for index in unequal.seen]
    semantics = unequal.semantics[unequal.seen]
    expected = F.normalize(ridge(semantics, F.normalize(torch.stack(means), dim=1))(semantics), dim=1)
    torch.testing.assert_close(train_teacher(unequal, SETTINGS, 0).text, expected)


def test_its_embedding_is_the_principal_components_and_their_negatives(dataset):
    teacher = train_teacher(dataset, SETTINGS, 0)
    embedding = teacher(dataset.train_features).embedding
    assert embedding.shape[1] == 9
    assert bool((embedding >= 0).all())
    assert not embedding[:, 8].any()
    image = teacher.image_features(dataset.train_features)
    u, s, _ = torch.linalg.svd(image - image.mean(0), full_matrices=False)
    signed = embedding[:, :4] - embedding[:, 4:8]
    torch.testing.assert_close(signed.abs(), (u[:, :4] * s[:4]).abs(), rtol=1e-6, atol=1e-9)
    assert not (embedding[:, :4] * embedding[:, 4:8]).any()


def test_where_there_are_fewer_components_the_rest_is_zero(dataset):
    wide = train_teacher(dataset, replace(SETTINGS, embedding_dim=40), 0)(dataset.features).embedding
    assert wide.shape[1] == 40
    assert not wide[:, 7:20].any()
    assert not wide[:, 27:].any()


def test_it_looks_at_training_rows_and_seen_classes_alone(dataset):
    features, teachers, text = dataset.features.clone(), dataset.teacher_features.clone(), dataset.text_features.clone()
    semantics = dataset.semantics.clone()
    for rows in (dataset.test_seen, dataset.test_unseen):
        features[rows], teachers[rows] = 7, 9
    text[dataset.unseen] = semantics[dataset.unseen] = 5
    other = replace(dataset, features=features, teacher_features=teachers, text_features=text, semantics=semantics)
    for changes in ({}, {"text_features": None}):
        one, two = (train_teacher(replace(data, **changes), SETTINGS, 0).state_dict() for data in (dataset, other))
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_worlds_and_sealed_datasets_keep_rows_and_classes_together(dataset):
    sealed = Vault(dataset).sealed
    torch.testing.assert_close(sealed.teacher_features, dataset.teacher_features[dataset.train])
    world = validation_world(sealed, seed=0)
    torch.testing.assert_close(world.text_features, dataset.text_features[dataset.seen])
    expected = F.normalize(world.teacher_features[world.train], dim=1)
    teacher = train_teacher(world, SETTINGS, 0)
    torch.testing.assert_close(teacher.image_features(world.train_features), expected, rtol=1e-5, atol=1e-5)


def enhanced(dataset, seed=0):
    generator = d3wrap.build_generator("clswgan", dataset, settings={"hidden": 8, "steps": 4}, seed=seed)
    return d3wrap.enhance(generator, dataset, seed=seed, teacher="vlm", embedding_dim=9)


def test_a_generator_learns_with_it_and_it_is_stored_with_the_student(dataset):
    enhancer = enhanced(dataset).fit()
    losses = enhancer.on_batch(dataset.train_features[:20], dataset.train_labels[:20])
    assert {"id2sd/embedding", "id2sd/labels", "o2dbd/relation"} <= set(losses.terms)
    assert losses.total.requires_grad
    again = enhanced(dataset, seed=0)
    again.load_state_dict(enhancer.state_dict())
    rows = dataset.features[:5]
    torch.testing.assert_close(again.teacher(rows).logits, enhancer.teacher(rows).logits)
    assert not [p for p in again.teacher.parameters() if p.requires_grad]


def test_in_a_space_of_the_generators_own_it_is_fitted_there(dataset):
    """What is mapped are the encoded features; where they map to is the teacher's own."""
    space = replace(dataset, features=dataset.features @ torch.eye(12, 10, dtype=torch.float64), scaler=None)
    teacher = train_teacher(space, SETTINGS, 0, source=replace(dataset, teacher_features=None, text_features=None))
    assert teacher.weight.shape == (10, 12)


def test_text_features_of_another_width_are_refused(dataset):
    with pytest.raises(ShapeError, match="text_features are 3 wide, and the teacher's image features 7"):
        train_teacher(replace(dataset, text_features=dataset.text_features[:, :3]), SETTINGS, 0)


@pytest.mark.parametrize(("name", "value"), [("teacher", "clip"), ("teacher_temperature", 0.0)])
def test_settings_are_checked(name, value):
    with pytest.raises(ConfigError, match=name):
        D3Settings(**{name: value})
