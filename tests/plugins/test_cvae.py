"""The conditional VAE: its presets, its networks, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch

import d3wrap
from d3wrap.data.synthetic import synthetic_world
from d3wrap.errors import ConfigError
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.manager import load_plugins
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

SPEC = load_plugins(environ={}).generator("cvae")


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


def test_the_paper_preset_is_the_released_one():
    paper = SPEC.presets["paper"]
    found = (paper.encoder_hidden, paper.encoder_layers, paper.decoder_hidden, paper.noise_dim, paper.output)
    assert found == (512, 2, 1024, 50, "linear")
    assert (paper.reconstruction, paper.kl_weight) == ("mean-squared", 1.0)
    assert (paper.lr, paper.batch_size, paper.synthetic_per_class) == (1e-3, 50, 200)
    assert paper.steps == pytest.approx(25 * 7057 / 50, rel=1e-3)


@pytest.mark.parametrize("preset", sorted(SPEC.presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("cvae", dataset, preset=preset, settings={"decoder_hidden": 16})
    decoder, encoder = backbone.generator.network, backbone.encoder.network
    (hidden,) = decoder.hidden
    assert (hidden.in_features, hidden.out_features, decoder.out.out_features) == (settings.noise_dim + 4, 16, 7)
    assert [layer.out_features for layer in encoder.hidden] == [settings.encoder_hidden] * settings.encoder_layers
    assert (encoder.hidden[0].in_features, encoder.out.out_features) == (7 + 4, 2 * settings.noise_dim)
    (phase,) = backbone.phases()
    assert (phase.lr, phase.betas, phase.repeats) == (settings.lr, (0.9, 0.999), 1)
    assert (backbone.reconstruction, backbone.kl_weight) == (settings.reconstruction, settings.kl_weight)
    assert (backbone.name, decoder.output, backbone.generator.order) == ("cvae", settings.output, "noise, semantics")


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"reconstruction": "l1"}, "reconstruction: no such loss: 'l1'"),
        ({"output": "tanh"}, "output: no such activation: 'tanh'"),
        ({"kl_weight": -1.0}, "kl_weight: expected 0 or more"),
    ],
)
def test_settings_out_of_range_are_refused(dataset, settings, fragment):
    with pytest.raises(ConfigError, match=fragment):
        d3wrap.build_generator("cvae", dataset, settings=settings)


class Trained(NamedTuple):
    before: float
    after: float
    evaluation: Evaluation


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Train on an easy world: three smooth attributes, 36 seen classes around the 4 unseen ones."""
    world = synthetic_world(40, 4, 32, 3, 20)
    data = world.dataset
    settings = {"encoder_hidden": 64, "decoder_hidden": 64, "noise_dim": 8, "lr": 3e-3}
    backbone = d3wrap.build_generator("cvae", data, settings=settings)

    def distance() -> float:
        features, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        means = torch.stack([features[labels == c].mean(0) for c in data.unseen])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    before = distance()
    fit(backbone, data, steps=800, batch_size=64, seed=0)
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    return Trained(before, distance(), evaluation)


def test_generated_unseen_features_come_near_the_true_class_means(trained):
    assert trained.after < 0.55 * trained.before


def test_small_generates_the_spread_within_a_class_and_paper_one_feature():
    """Features are class means, four units of variance in two directions, and a little in all."""
    world = synthetic_world(40, 4, 32, 3, 20)
    labels, directions = world.dataset.labels, torch.linalg.qr(torch.randn(32, 2, generator=stream(0, "directions")))[0]
    within = 2 * torch.randn(len(labels), 2, generator=stream(0, "within")) @ directions.T
    noise = 0.1 * torch.randn(len(labels), 32, generator=stream(0, "noise"))
    data = replace(world.dataset, features=world.class_means[labels] + within + noise)
    spread = {}
    for preset in ("small", "paper"):
        settings = {"encoder_hidden": 64, "decoder_hidden": 64, "noise_dim": 8, "output": "linear", "lr": 3e-3}
        backbone = d3wrap.build_generator("cvae", data, preset=preset, settings=settings)
        fit(backbone, data, steps=600, batch_size=64, seed=0)
        features, labels = synthesise(backbone, data.semantics, data.unseen, 200, stream(0, "synthesis"))
        spread[preset] = float(torch.stack([features[labels == c].var(0).sum() for c in data.unseen]).mean())
    assert 4 < spread["small"] < 10  # in truth 2 · 2² and a little
    assert spread["paper"] < 0.1


def test_unseen_classes_are_told_apart_above_chance(trained):
    assert trained.evaluation["softmax"].T1 > 0.5  # by chance 0.25
