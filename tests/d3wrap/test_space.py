"""The space a classifier works in: teacher, student and classifiers follow the generator there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import d3wrap
from d3wrap import space
from d3wrap.errors import ShapeError
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.generator import Phase
from d3wrap.seeds import initialising
from d3wrap.space import classifier_space, encode, encodes


class Halved(d3wrap.Backbone):
    """Its space is the first half of the features, doubled."""

    name = "halved"

    def __init__(self, dataset):
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.map = nn.Linear(self.semantic_dim, self.feature_dim)

    def phases(self):
        return (Phase("map", tuple(self.parameters()), lr=1e-2, enhanced=True),)

    def losses(self, phase, batch, rng):
        return {"error": (self.generate_features(batch.semantics) - batch.features).square().mean()}

    def encode(self, features):
        return 2 * features[:, : self.feature_dim // 2]

    def generate(self, semantics, *, rng=None):
        return self.encode(self.generate_features(semantics, rng=rng))

    def generate_features(self, semantics, *, rng=None):
        return self.map(semantics)


@pytest.fixture
def dataset():
    return d3wrap.synthetic(6, 2, 8, 4, 10)


@pytest.fixture
def halved(dataset):
    with initialising(0, "halved"):
        return Halved(dataset)


def test_the_default_space_is_the_datasets(dataset):
    backbone = d3wrap.build_generator("clswgan", dataset, settings={"hidden": 8})
    assert not encodes(backbone)
    assert classifier_space(backbone, dataset) is dataset
    assert encode(backbone, dataset.features) is dataset.features


def test_a_space_of_its_own_is_encoded_in_blocks(dataset, halved, monkeypatch):
    monkeypatch.setattr(space, "BLOCK", 7)
    found = classifier_space(halved, dataset)
    torch.testing.assert_close(found.features, 2 * dataset.features[:, :4], rtol=0, atol=0)
    assert not found.features.requires_grad
    assert (found.scaler, found.image_shape) == (None, None)
    assert found.train is dataset.train


def test_a_generator_that_is_no_backbone_may_encode_too(dataset):
    class Own(nn.Module):
        def generate(self, semantics, *, rng=None):
            return semantics

        def encode(self, features):
            return features[:, :4]

    assert encodes(Own())
    assert classifier_space(Own(), dataset).feature_dim == 4


@pytest.mark.parametrize("wrong", [lambda x: x.sum(1), lambda x: x[:3]], ids=["vector", "rows"])
def test_an_encoder_must_give_one_row_for_each(dataset, halved, wrong):
    halved.encode = wrong
    with pytest.raises(ShapeError, match=r"Halved.encode gave \[\d+\] for features|Halved.encode gave \[3, 8\]"):
        encode(halved, dataset.features)


def test_teacher_student_and_classifiers_live_there(dataset, halved):
    d3 = d3wrap.enhance(halved, dataset, teacher_epochs=1, embedding_dim=8)
    d3.fit(steps=2, batch_size=8)
    assert d3.teacher.embed.in_features == d3.student.embed.in_features == 4
    found = d3.evaluate(synthetic_per_class=5)
    assert set(found) == {"softmax", "student", "embedding"}


def test_measuring_there_is_measuring_the_encoded_dataset(dataset, halved):
    class Already(Halved):
        encode = d3wrap.Backbone.encode

        def generate(self, semantics, *, rng=None):
            return 2 * self.map(semantics)[:, :4]

    other = Already(dataset)
    other.load_state_dict(halved.state_dict())
    options = {"seed": 0, "synthetic_per_class": 5, "embedding_dim": 8}
    one = evaluate_generator(halved, dataset, **options)
    two = evaluate_generator(other, classifier_space(halved, dataset), **options)
    assert str(one) == str(two)
    assert one["softmax"].T1 == two["softmax"].T1


def test_the_real_batch_is_encoded_for_the_student(dataset, halved):
    d3 = d3wrap.enhance(halved, dataset, teacher_epochs=1, embedding_dim=8)
    d3.prepare()
    seen = []
    observe = d3.observe
    d3.observe = lambda *parts: (seen.append(parts), observe(*parts))[1]
    d3.on_batch(dataset.train_features[:5], dataset.train_labels[:5])
    ((real, _, generated, _),) = seen
    assert torch.equal(real, 2 * dataset.train_features[:5, :4])
    assert generated.shape[1] == 4
