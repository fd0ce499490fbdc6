"""f-CLSWGAN: its presets, its networks, and that it learns."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import d3wrap
from d3wrap.data.synthetic import synthetic_world
from d3wrap.errors import ConfigError
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.manager import load_plugins
from d3wrap.plugins.clswgan import CLSWGANSettings
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

SPEC = load_plugins(environ={}).generator("clswgan")


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


def test_the_paper_preset_is_the_papers():
    paper = SPEC.presets["paper"]
    found = (
        paper.hidden, paper.critic_steps, paper.penalty_weight, paper.classification_weight, paper.lr, paper.batch_size
    )  # fmt: skip
    assert found == (4096, 5, 10.0, 0.01, 1e-4, 64)
    assert paper.noise_dim is None


@pytest.mark.parametrize("preset", sorted(SPEC.presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("clswgan", dataset, preset=preset, settings={"hidden": 16})
    critic, generator = backbone.phases()
    network = backbone.generator.network
    noise_dim = settings.noise_dim or dataset.semantic_dim
    assert backbone.name == "clswgan"
    (hidden,) = network.hidden
    assert hidden.in_features == noise_dim + dataset.semantic_dim
    assert (hidden.out_features, backbone.critic.out.in_features) == (16, 16)
    assert (critic.repeats, critic.lr, generator.lr) == (settings.critic_steps, settings.lr, settings.lr)
    assert (critic.betas, generator.betas) == ((0.5, 0.999), (0.5, 0.999))
    assert backbone.penalty_weight == settings.penalty_weight
    assert backbone.classification_weight == settings.classification_weight
    assert (backbone.settings.steps, backbone.settings.hidden) == (settings.steps, 16)


def test_its_network_ends_in_a_relu_and_is_called_with_noise_first(dataset):
    generator = d3wrap.build_generator("clswgan", dataset).generator
    assert generator.network.output == "relu"
    assert generator.order == "noise, semantics"


def test_weights_depend_on_the_seed_and_follow_the_datasets_number_format(dataset):
    def weight(seed: int, data: d3wrap.GZSLDataset) -> Tensor:
        torch.rand(3)
        return d3wrap.build_generator("clswgan", data, settings={"hidden": 16}, seed=seed).generator.network.out.weight

    assert torch.equal(weight(1, dataset), weight(1, dataset))
    assert not torch.equal(weight(1, dataset), weight(2, dataset))
    assert weight(1, dataset.to("cpu", torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"preset": "smal"}, "generator 'clswgan' has no preset 'smal'; did you mean 'small'"),
        ({"settings": {"hiden": 3}}, "CLSWGANSettings has no setting 'hiden'; did you mean 'hidden'"),
        ({"settings": {"hidden": "wide"}}, "hidden: expected an integer, found"),
    ],
)
def test_unknown_presets_and_settings_are_refused(dataset, options, fragment):
    with pytest.raises(ConfigError, match=fragment):
        d3wrap.build_generator("clswgan", dataset, **options)


def test_settings_are_those_every_generator_has_and_its_own():
    assert issubclass(CLSWGANSettings, d3wrap.specs.BackboneSettings)
    assert SPEC.settings is CLSWGANSettings


class Trained(NamedTuple):
    before: float
    after: float
    wasserstein: list[float]
    evaluation: Evaluation


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Train on an easy world: three smooth attributes, 36 seen classes around the 4 unseen ones."""
    world = synthetic_world(40, 4, 32, 3, 20)
    data, wasserstein = world.dataset, []
    settings = {"hidden": 64, "noise_dim": 8, "lr": 3e-3, "critic_steps": 2}
    backbone = d3wrap.build_generator("clswgan", data, settings=settings)

    def distance() -> float:
        features, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        means = torch.stack([features[labels == c].mean(0) for c in data.unseen])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    before = distance()
    fit(
        backbone,
        data,
        steps=800,
        batch_size=64,
        seed=0,
        log_every=100,
        on_log=lambda record: wasserstein.append(-record.losses["clswgan/critic.wasserstein"]),
    )
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    return Trained(before, distance(), wasserstein, evaluation)


def test_generated_unseen_features_come_near_the_true_class_means(trained):
    assert trained.after < 0.55 * trained.before


def test_the_critics_estimate_of_the_distance_falls_again(trained):
    assert trained.wasserstein[-1] < 0.5 * max(trained.wasserstein)
    assert trained.wasserstein[-1] > 0


def test_unseen_classes_are_told_apart_above_chance(trained):
    assert trained.evaluation["softmax"].T1 > 0.5  # by chance 0.25
