"""The denoising diffusion GAN: its presets, its network, and that it learns."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import d3wrap
from d3wrap.adapters.critic import SLOPE
from d3wrap.data.synthetic import synthetic_world
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.manager import load_plugins
from d3wrap.plugins.ddgan import Denoiser
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

SPEC = load_plugins(environ={}).generator("ddgan")


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


def test_the_paper_preset_is_the_first_stage_of_zerodiffs_release():
    for name in ("paper", "paper/AWA2"):
        paper = SPEC.presets[name]
        found = (paper.hidden, paper.critic_steps, paper.penalty_weight, paper.lr, paper.batch_size, paper.start_weight)
        assert found == (4096, 5, 10.0, 5e-4, 64, 1.0)
        assert (paper.diffusion_steps, paper.beta_min, paper.beta_max, paper.output) == (4, 0.1, 20.0, "sigmoid")
        assert (paper.noise_dim, paper.spread, paper.shared_noise, paper.chain_gradient) == (None, None, False, None)
    assert SPEC.presets["paper/AWA2"].steps == 300 * -(-23_527 // 64)
    assert SPEC.presets["paper/AWA2"].synthetic_per_class == 1800


@pytest.mark.parametrize("preset", sorted(SPEC.presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("ddgan", dataset, preset=preset, settings={"hidden": 16, "chain_gradient": 2})
    critic, generator = backbone.phases()
    chain, noise_dim = backbone.generator, settings.noise_dim or dataset.semantic_dim
    (hidden,) = chain.network.network.hidden
    assert backbone.name == "ddgan"
    assert hidden.in_features == dataset.feature_dim + settings.time_dim + noise_dim + dataset.semantic_dim
    assert (hidden.out_features, backbone.critic.out.in_features) == (16, 16)
    assert (chain.noise_dim, chain.schedule.steps, chain.chain_gradient) == (noise_dim, settings.diffusion_steps, 2)
    assert chain.gives == "features"
    assert (critic.repeats, critic.lr, generator.lr) == (settings.critic_steps, settings.lr, settings.lr)
    assert (critic.betas, generator.betas) == ((0.5, 0.999), (0.5, 0.999))
    found = (backbone.penalty_weight, backbone.classification_weight, backbone.spread, backbone.shared_noise)
    expected = (settings.penalty_weight, settings.classification_weight, settings.spread, settings.shared_noise)
    assert (*found, backbone.start_weight) == (*expected, settings.start_weight)
    assert (backbone.start_critic is None) == (settings.start_weight == 0)


def test_settings_of_the_diffusion_reach_it(dataset):
    settings = {"hidden": 8, "diffusion_steps": 6, "beta_min": 0.2, "beta_max": 5.0, "output": "linear"}
    chain = d3wrap.build_generator("ddgan", dataset, settings=settings).generator
    expected = d3wrap.adapters.schedule.Schedule(6, beta_min=0.2, beta_max=5.0)
    assert torch.equal(chain.schedule.signal, expected.signal)
    assert len(chain.network.time.table) == 6
    assert chain.gives == "centred"


def test_the_denoiser_is_one_hidden_layer_on_state_step_noise_and_semantics(dataset):
    small = SPEC.presets["small"]
    network = Denoiser(dataset, 3, small)
    rng = stream(0, "test")
    state, noise, semantics = (torch.randn(4, width, generator=rng) for width in (7, 3, 4))
    step = torch.tensor([0, 3, 1, 3])
    (hidden,), out = network.network.hidden, network.network.out
    rows = []
    for i in range(4):
        x = torch.cat([state[i], network.time.table[step[i]], noise[i], semantics[i]])
        h = hidden.weight @ x + hidden.bias
        rows.append((out.weight @ torch.where(h > 0, h, SLOPE * h) + out.bias).clamp(min=0))
    torch.testing.assert_close(network(state, step, noise, semantics), torch.stack(rows))


def test_weights_depend_on_the_seed_and_follow_the_datasets_number_format(dataset):
    def weight(seed: int, data: d3wrap.GZSLDataset) -> Tensor:
        torch.rand(3)
        return d3wrap.build_generator(
            "ddgan", data, settings={"hidden": 16}, seed=seed
        ).generator.network.network.out.weight

    assert torch.equal(weight(1, dataset), weight(1, dataset))
    assert not torch.equal(weight(1, dataset), weight(2, dataset))
    assert weight(1, dataset.to("cpu", torch.float64)).dtype == torch.float64


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
    settings = {"hidden": 128, "noise_dim": 8, "lr": 2e-3, "critic_steps": 5, "start_weight": 1.0}
    backbone = d3wrap.build_generator("ddgan", data, settings=settings)

    def distance() -> float:
        features, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        means = torch.stack([features[labels == c].mean(0) for c in data.unseen])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    before = distance()
    fit(
        backbone,
        data,
        steps=500,
        batch_size=64,
        seed=0,
        log_every=100,
        on_log=lambda record: wasserstein.append(-record.losses["ddgan/critic.wasserstein"]),
    )
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    return Trained(before, distance(), wasserstein, evaluation)


def test_generated_unseen_features_come_near_the_true_class_means(trained):
    assert trained.after < 0.5 * trained.before


def test_the_critics_estimate_of_the_distance_falls_again(trained):
    assert trained.wasserstein[-1] < 0.7 * max(trained.wasserstein)
    assert trained.wasserstein[-1] > 0


def test_unseen_classes_are_told_apart_above_chance(trained):
    assert trained.evaluation["softmax"].T1 > 0.5  # by chance 0.25
