"""What is chosen in the validation world, and that test rows have no say in it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import d3wrap
from d3wrap.errors import ConfigError
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.protocol import Vault, validation_world
from d3wrap.protocol.choice import Search, choose
from d3wrap.settings import D3Settings

SMALL = {"hidden": 16, "steps": 12, "synthetic_per_class": 5}


def build(arm, **settings):
    def make(dataset):
        backbone = d3wrap.build_generator("clswgan", dataset, settings=SMALL | settings, seed=1)
        if arm == "baseline":
            return backbone, None
        return backbone, d3wrap.Enhancer(backbone, dataset, D3Settings(teacher_epochs=1, embedding_dim=4), seed=1)

    return make


@pytest.fixture
def dataset():
    return d3wrap.synthetic(12, 4, 6, 4, 10)


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_it_takes_what_is_best_there(dataset, arm):
    chosen = choose(build(arm), Vault(dataset).sealed, seed=1, search=Search(points=3, samples=(3, 6)), embedding_dim=4)
    assert [(one["steps"], one["synthetic_per_class"]) for one in chosen.tried] == [
        (steps, n) for steps in (4, 8, 12) for n in (3, 6)
    ]
    best = max(one["AUSUC"] for one in chosen.tried)
    (first, *_) = (one for one in chosen.tried if one["AUSUC"] == best)
    assert (chosen.steps, chosen.synthetic_per_class) == (first["steps"], first["synthetic_per_class"])
    assert set(chosen.gammas) == set(CLASSIFIERS)
    assert chosen.gammas["softmax"] == first["gamma"]
    assert "fold 0 of" in chosen.world
    assert chosen.seconds > 0
    assert chosen.as_dict()["criterion"] == "AUSUC"


def test_a_candidate_is_what_training_so_long_gives(dataset):
    """The states kept on the way are those of shorter runs, and measured as any generator is."""
    chosen = choose(build("baseline"), dataset, seed=1, search=Search(points=3), classifiers=["softmax"])
    world = validation_world(dataset, seed=1)
    for one in chosen.tried:
        backbone, _ = build("baseline", steps=one["steps"])(world)
        d3wrap.training.loop.fit(backbone, world, steps=one["steps"], batch_size=64, seed=1)
        metrics = evaluate_generator(backbone, world, seed=1, synthetic_per_class=5, classifiers=["softmax"])["softmax"]
        assert (one["AUSUC"], one["H"], one["T1"]) == (metrics.AUSUC, metrics.H, metrics.T1)
        assert metrics.curve.at(one["gamma"])[2] == one["H_gamma"]


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_permuted_test_labels_and_other_test_images_change_no_choice(dataset, arm):
    labels, features = dataset.labels.clone(), dataset.features.clone()
    for rows in (dataset.test_seen, dataset.test_unseen):
        labels[rows] = labels[rows].roll(7)
        features[rows] = torch.rand_like(features[rows])
    other = dataclasses.replace(dataset, labels=labels, features=features)
    one, two = (choose(build(arm), data, seed=1, search=Search(points=2), embedding_dim=4) for data in (dataset, other))
    assert one == two


def test_a_search_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="expected 1 or more, found 0"):
        Search(points=0)
    with pytest.raises(ConfigError, match=r"and \[3, 0\]"):
        Search(samples=(3, 0))
