"""Teachers give the features they should, and texts are mapped by what the seen classes show alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from d3wrap.distilling.data import DistillData, mapped_texts
from d3wrap.distilling.teacher import LiveTeacher, StoredTeacher, mean_of, text_features
from d3wrap.errors import ShapeError
from d3wrap.ridge import ridge
from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing


def test_stored_features_are_centred_by_training_rows_and_of_unit_length(dataset):
    rows = torch.tensor([3, 50, 7])
    mean = dataset.features[dataset.train].mean(0)
    expected = F.normalize(dataset.features[rows] - mean, dim=1)
    torch.testing.assert_close(StoredTeacher(dataset.features, dataset.train).features(rows), expected)
    torch.testing.assert_close(
        StoredTeacher(dataset.features).features(rows), F.normalize(dataset.features[rows], dim=1)
    )
    torch.testing.assert_close(mean_of(dataset.features, dataset.train), mean)


def test_stored_features_must_be_rows():
    with pytest.raises(ShapeError, match=r"expected \[n, d\]"):
        StoredTeacher(torch.zeros(3))


def model(given, size=(6, 6), features=lambda images: images.flatten(1)[:, :4]):
    def look(images):
        given.append(images)
        return features(images)

    preprocessing = plain_preprocessing(Wishes(mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1)), size)
    return ImageModel("test:model", Weights("none", ""), preprocessing, look, {}, "cpu")


def test_a_live_teacher_sees_the_images_as_it_wants_them():
    given = []
    teacher = LiveTeacher(model(given))
    images = torch.rand(2, 3, 6, 6)
    found = teacher.features(torch.tensor([0, 1]), images)
    expected = (images - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([0.2, 0.2, 0.1])[:, None, None]
    torch.testing.assert_close(given[-1], expected)
    torch.testing.assert_close(found, F.normalize(expected.flatten(1)[:, :4], dim=1))
    teacher.features(torch.tensor([0]), torch.rand(1, 3, 9, 9))
    assert given[-1].shape == (1, 3, 6, 6)
    assert teacher.width == 4


def test_a_live_teacher_resizes_as_its_own_preprocessing_would_and_has_no_gradient():
    given = []
    teacher, images = LiveTeacher(model(given)), torch.zeros(2, 3, 9, 11)
    images[..., 5:] = 1
    images.requires_grad_()
    found = teacher.features(torch.tensor([0, 1]), images)
    sized = F.interpolate(images.detach(), (6, 6), mode="bicubic", antialias=True)
    assert sized.max() > 1  # a cubic overshoots, which the bytes of an image cannot
    mean, std = torch.tensor([0.5, 0.4, 0.3])[:, None, None], torch.tensor([0.2, 0.2, 0.1])[:, None, None]
    torch.testing.assert_close(given[-1], (sized.clamp(0, 1) - mean) / std)
    assert not found.requires_grad


def test_a_live_teacher_is_centred_by_the_images_it_is_shown():
    teacher, images = LiveTeacher(model([])), torch.rand(5, 3, 6, 6)
    centred = teacher.centred(images.split(2))
    torch.testing.assert_close(centred.centre, teacher.raw(images).mean(0))
    torch.testing.assert_close(
        centred.features(torch.arange(5), images), F.normalize(teacher.raw(images) - centred.centre, dim=1)
    )


def test_a_live_teacher_needs_images_and_gives_rows():
    with pytest.raises(ShapeError, match="needs the images"):
        LiveTeacher(model([])).features(torch.tensor([0]))
    with pytest.raises(ShapeError, match=r"test:model: gives \[1, 3, 6, 6\]"):
        LiveTeacher(model([], features=lambda images: images))


def test_text_features_are_the_ridge_regression_of_the_seen_classes_means(dataset):
    teacher = StoredTeacher(dataset.features, dataset.train)
    images = teacher.features(dataset.train)
    means = torch.stack([images[dataset.train_labels == index].mean(0) for index in dataset.seen])
    expected = F.normalize(ridge(dataset.semantics[dataset.seen], means)(dataset.semantics), dim=1)
    found = text_features(dataset.semantics, images, dataset.train_labels, dataset.seen)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6))


def test_classes_of_more_images_weigh_no_more_in_text_features(dataset):
    kept = torch.cat([dataset.train[:2], dataset.train[10:]])
    images, labels = StoredTeacher(dataset.features, kept).features(kept), dataset.labels[kept]
    assert labels.bincount().tolist() == [2, 10, 0, 10, 10]
    means = torch.stack([images[labels == index].mean(0) for index in dataset.seen])
    expected = F.normalize(ridge(dataset.semantics[dataset.seen], means)(dataset.semantics), dim=1)
    torch.testing.assert_close(text_features(dataset.semantics, images, labels, dataset.seen), expected)


def test_rows_may_be_asked_for_in_any_order(data):
    rows = torch.tensor([60, 3, 71, 3, 12])
    expected = torch.stack([data.inputs[row] for row in rows]).float() / 255
    assert torch.equal(data.whole(rows, 12), expected)
    assert torch.equal(data.batch(rows), data.inputs[rows])
    stored = F.normalize(data.dataset.features[rows] - data.dataset.train_features.mean(0), dim=1)
    torch.testing.assert_close(data.teacher_features(rows, 12), stored)
    live = replace(data, teacher=LiveTeacher(model([], features=lambda images: images.flatten(1)[:, 50:55])))
    live = replace(live, texts={})
    one_by_one = torch.cat([live.teacher.features(row[None], data.whole(row[None], 12)) for row in rows])
    torch.testing.assert_close(live.teacher_features(rows, 12), one_by_one)


def test_images_of_unseen_classes_and_test_rows_take_no_part(dataset):
    other = dataset.features.clone()
    other[dataset.test_unseen] = 100.0
    other[dataset.test_seen] = -100.0
    found = []
    for features in (dataset.features, other):
        moved = replace(dataset, features=features)
        shown = DistillData(moved, features, StoredTeacher(features, dataset.train), {})
        found.append(mapped_texts(shown, {"own": dataset.semantics}, 8)["own"])
    assert torch.equal(*found)


def test_a_seen_class_without_images_is_refused(dataset):
    images = dataset.features[dataset.train]
    with pytest.raises(ShapeError, match="class 5 is seen and has no training image"):
        text_features(dataset.semantics, images, dataset.train_labels, torch.tensor([0, 1, 3, 4, 5]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": torch.zeros(3, 5)}, "the student has 3 inputs, the dataset 84 rows"),
        ({"texts": {"mine": torch.zeros(6, 4)}}, r"text 'mine' has shape \[6, 4\], expected \[6, 5\]"),
        ({"captions": torch.zeros(84, 4)}, r"captions have shape \[84, 4\], expected \[84, 5\]"),
    ],
)
def test_what_does_not_belong_together_is_refused(data, change, message):
    with pytest.raises(ShapeError, match=message):
        replace(data, **change)


def test_inputs_are_standardised_by_training_rows(data):
    mean, std = data.statistics()
    pixels = data.inputs[data.dataset.train].float() / 255
    torch.testing.assert_close(mean, pixels.mean((0, 2, 3))[None, :, None, None])
    torch.testing.assert_close(std, pixels.std((0, 2, 3), correction=0)[None, :, None, None])
    features = replace(data, inputs=data.dataset.features)
    torch.testing.assert_close(features.statistics()[0], data.dataset.train_features.mean(0)[None])


def test_features_are_standardised_by_all_training_rows_because_classes_may_follow_one_another(data, monkeypatch):
    monkeypatch.setattr("d3wrap.distilling.data.STATISTICS", 3)
    mean, _ = replace(data, inputs=data.dataset.features).statistics()
    torch.testing.assert_close(mean, data.dataset.train_features.mean(0)[None])
    assert not torch.allclose(
        data.statistics()[0], (data.inputs[data.dataset.train] / 255).mean((0, 2, 3))[:, None, None]
    )


def test_what_no_file_vouches_for_is_hashed(data):
    before = data.hashes()
    assert list(before) == ["pixels"]
    changed = data.inputs.clone()
    changed[0, 0, 0, 0] ^= 1
    assert replace(data, inputs=changed).hashes() != before
    assert replace(data, inputs=data.dataset.features).hashes() == {}
    live = replace(data, teacher=LiveTeacher(model([], features=lambda images: images.flatten(1)[:, 50:55])))
    assert live.hashes() == {**before, "weights of the teacher": live.teacher.model.weights.sha256}


def test_a_feature_that_never_changes_in_training_rows_is_left_as_long_as_it_is(data):
    """Pixels at the edge of digits are such: where another row has one, it must not drown all others."""
    features = data.dataset.features.clone()
    features[:, 1] = 0.3
    features[data.dataset.test_unseen, 1] = 4.3
    mean, std = replace(data, inputs=features).statistics()
    assert std[0, 1] == 1
    standardised = (features - mean) / std
    assert standardised.abs().max() < 100
    torch.testing.assert_close(standardised[data.dataset.train, 1], torch.zeros(40), rtol=0, atol=1e-6)
    torch.testing.assert_close(standardised[data.dataset.test_unseen, 1], torch.full((28,), 4.0))
