"""The denoising diffusion GAN around any network: its losses against the equations, its phases, its adapter."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.critic import autograd_penalty
from d3wrap.adapters.diffusion import DiffusionGANBackbone
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.seeds import initialising, stream

NOISE, FEATURES, SEMANTICS, STEPS, ROWS = 3, 7, 4, 4, 9


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(SEMANTICS, SEMANTICS).requires_grad_(False)
        self.embed = nn.Embedding(STEPS, 2)
        self.out = nn.Linear(FEATURES + 2 + NOISE + SEMANTICS, FEATURES)

    def forward(self, x_t: Tensor, t: Tensor, z: Tensor, att: Tensor) -> Tensor:
        return self.out(torch.cat([x_t, self.embed(t), z, self.frozen(att)], 1))


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20).to("cpu", torch.float64)


@pytest.fixture
def make(dataset):
    def make(**options: object) -> DiffusionGANBackbone:
        given = {"noise_dim": NOISE, "critic_hidden": 8, "time_dim": 4, "gives": "centred", **options}
        with initialising(0, "generator"):
            backbone = d3wrap.adapt(Net(), adapter="diffusion", **given).bind(dataset).to(dataset.features)
        backbone.prepare(dataset, stream(0, "prepare"))
        return backbone

    return make


@pytest.fixture
def batch(dataset):
    labels = dataset.train_labels[:ROWS]
    return RealBatch(dataset.train_features[:ROWS], labels, dataset.semantics[labels])


class Drawn:
    """A batch's numbers by the closed forms, row by row, from the same random draws in the same order."""

    def __init__(self, backbone: DiffusionGANBackbone, batch: RealBatch, rng: torch.Generator, shared: bool) -> None:
        def normal(width: int) -> Tensor:
            return torch.randn(ROWS, width, dtype=torch.float64, generator=rng)

        def alpha_bar(level: int) -> float:
            if level == 0:
                return 1.0
            start, end = 1e-3, 1e-3 + level / STEPS * (1 - 1e-3)
            return math.exp(-0.1 * (end - start) - 19.9 / 2 * (end**2 - start**2))

        chain = backbone.generator
        self.start = (batch.features - chain.centring.shift) / chain.centring.scale
        steps = torch.randint(STEPS, (ROWS,), generator=rng)
        jump, noise = normal(FEATURES), normal(NOISE)
        fresh = normal(FEATURES)
        fresh_real = fresh if shared else normal(FEATURES)
        real, generated, predicted, conditions = [], [], [], []
        for i, t in enumerate(steps.tolist()):
            before, after = alpha_bar(t), alpha_bar(t + 1)
            beta = 1 - after / before
            later = after**0.5 * self.start[i] + (1 - after) ** 0.5 * jump[i]
            guess = chain.network(later[None], steps[i : i + 1], noise[i : i + 1], batch.semantics[i : i + 1])[0]
            for out, x, e in ((real, self.start[i], fresh_real[i]), (generated, guess, fresh[i])):
                mean = (before**0.5 * beta * x + (1 - beta) ** 0.5 * (1 - before) * later) / (1 - after)
                out.append(mean + (beta * (1 - before) / (1 - after)) ** 0.5 * e)
            predicted.append(guess)
            time = torch.tensor([math.sin(t), math.sin(t / 1e4), math.cos(t), math.cos(t / 1e4)], dtype=torch.float64)
            conditions.append(torch.cat([later, batch.semantics[i], time]))
        self.real, self.generated, self.predicted = torch.stack(real), torch.stack(generated), torch.stack(predicted)
        self.condition = torch.stack(conditions)


def assert_terms(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        # The schedule's coefficients are stored in single precision.
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_the_critics_minimise_the_wasserstein_estimates_and_the_penalties(make, batch, shared):
    backbone = make(penalty_weight=3.0, start_weight=0.5, shared_noise=shared, spread=0.7)
    found = backbone.losses("critic", batch, stream(0, "noise"))
    rng = stream(0, "noise")
    drawn = Drawn(backbone, batch, rng, shared)
    critic, other = backbone.critic, backbone.start_critic
    shares = [torch.rand(ROWS, 1, dtype=torch.float64, generator=rng) for _ in range(2)]
    between = [
        (share * one + (1 - share) * two).detach()
        for share, one, two in zip(shares, (drawn.real, drawn.start), (drawn.generated, drawn.predicted), strict=True)
    ]
    scores = critic(drawn.generated, drawn.condition).mean() - critic(drawn.real, drawn.condition).mean()
    at_start = other(drawn.predicted, batch.semantics).mean() - other(drawn.start, batch.semantics).mean()
    assert_terms(
        found,
        {
            "wasserstein": scores,
            "penalty": 3 * autograd_penalty(critic, between[0], drawn.condition.detach()),
            "start_wasserstein": 0.5 * at_start,
            "start_penalty": 0.5 * 3 * autograd_penalty(other, between[1], batch.semantics),
        },
    )
    reached = torch.autograd.grad(
        sum(found.values()), list(backbone.generator.network.out.parameters()), allow_unused=True
    )
    assert reached == (None, None)


def test_the_generator_minimises_minus_the_scores_and_the_classification_of_features(make, batch):
    backbone = make(classification_weight=0.5, start_weight=2.0)
    found = backbone.losses("generator", batch, stream(0, "noise"))
    drawn = Drawn(backbone, batch, stream(0, "noise"), shared=True)
    features = drawn.predicted * backbone.generator.centring.scale + backbone.generator.centring.shift
    expected = {
        "adversarial": -backbone.critic(drawn.generated, drawn.condition).mean(),
        "start_adversarial": -2 * backbone.start_critic(drawn.predicted, batch.semantics).mean(),
        "classification": 0.5 * F.cross_entropy(backbone.seen_classifier(features), batch.labels),
    }
    assert_terms(found, expected)
    parameters = [p for p in backbone.generator.network.parameters() if p.requires_grad]
    for one, other in zip(
        torch.autograd.grad(sum(found.values()), parameters),
        torch.autograd.grad(sum(expected.values()), parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_shared_noise_leaves_what_the_rows_differ_in_to_the_prediction(make, batch):
    backbone = make()
    views = backbone.views(batch, stream(0, "noise"))
    steps = torch.randint(STEPS, (ROWS,), generator=stream(0, "noise"))
    share = backbone.generator.schedule.from_start[steps].unsqueeze(1)
    torch.testing.assert_close(views.generated - views.real, share * (views.predicted - views.start))


def test_without_the_options_there_are_only_the_terms_of_the_paper(make, batch):
    backbone = make(classification_weight=0.0)
    assert backbone.start_critic is None
    assert backbone.losses("critic", batch, stream(0, "noise")).keys() == {"wasserstein", "penalty"}
    assert backbone.losses("generator", batch, stream(0, "noise")).keys() == {"adversarial"}


def test_features_are_diffused_centred_or_as_they_are(make, dataset):
    centring = make(spread=0.5).generator.centring
    centred = centring(dataset.train_features)
    assert float(centred.mean(0).abs().max()) < 1e-9
    assert float(centred.square().mean()) == pytest.approx(0.25)
    assert torch.equal(make(spread=None).generator.centring(dataset.train_features), dataset.train_features)


def test_each_phase_trains_its_own_parameters_and_no_frozen_ones(make):
    backbone = make(start_weight=1.0, critic_steps=2)
    critic, generator = backbone.phases()
    assert set(critic.parameters) == {*backbone.critic.parameters(), *backbone.start_critic.parameters()}
    network = backbone.generator.network
    assert set(generator.parameters) == {*network.out.parameters(), *network.embed.parameters()}
    assert (critic.repeats, generator.enhanced) == (2, True)


def test_it_trains_with_d3(dataset, make):
    backbone = make(chain_gradient=1)
    before = {name: value.clone() for name, value in backbone.generator.network.state_dict().items()}
    d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8).fit(steps=2, batch_size=8)
    for name, value in backbone.generator.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("frozen"), name


def test_it_is_taken_only_where_it_is_named():
    assert not load_plugins().adapter("diffusion").accepts(Net())


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"noise_dim": 0}, "noise_dim: expected 1 or more, found 0"),
        ({"noise_dim": 3, "spred": 1.0}, "adapter 'diffusion' has no option 'spred'; did you mean 'spread'"),
        ({"noise_dim": 3, "spread": 0.0}, "spread: expected a number above 0, or None .* found 0.0"),
        ({"noise_dim": 3, "steps": 0}, "steps of the diffusion: expected 1 or more, found 0"),
        ({"noise_dim": 3, "chain_gradient": 9}, "chain_gradient: expected 1 to 4"),
        ({"noise_dim": 3, "time_dim": 3}, "width of the time embedding: expected an even number"),
        ({}, "noise_dim"),
    ],
)
def test_options_are_refused_before_there_is_a_dataset(options, fragment):
    with pytest.raises(ConfigError, match=fragment):
        d3wrap.adapt(Net(), adapter="diffusion", **options)


def test_adapting_leaves_no_trace():
    network, before = Net(), torch.random.get_rng_state()
    d3wrap.adapt(network, adapter="diffusion", noise_dim=NOISE)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_for_another_dataset_is_told_the_sizes():
    other = d3wrap.synthetic(6, 2, FEATURES + 1, SEMANTICS, 20)
    with pytest.raises(ShapeError, match=r"of state \[2, 8\], step \[0, 3\], noise \[2, 3\] and semantics \[2, 4\]"):
        d3wrap.adapt(Net(), adapter="diffusion", noise_dim=NOISE).bind(other)
    with pytest.raises(ShapeError, match=r"step \[0, 5\].* Give the noise_dim, the steps and the order"):
        d3wrap.adapt(Net(), adapter="diffusion", noise_dim=NOISE, steps=6).bind(
            d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20)
        )
