"""Pictures are of visual features, also where a generator classifies in a space of its own."""

from __future__ import annotations

import torch

import d3wrap
from d3wrap.comparison.compare import PICTURES, _generated
from d3wrap.seeds import stream


def test_the_pictures_of_a_generator_with_its_own_space_are_its_features():
    dataset = d3wrap.load_dataset("digits")
    backbone = d3wrap.build_generator("cegzsl", dataset, settings={"hidden": 8, "embedding_dim": 9})
    found = _generated(backbone, dataset, 0)
    labels = dataset.unseen.repeat_interleave(PICTURES)
    with torch.no_grad():
        expected = backbone.generate_features(dataset.semantics[labels], rng=stream(0, "pictures"))
    assert found.shape == (len(labels), dataset.feature_dim)
    assert torch.equal(found, expected)
