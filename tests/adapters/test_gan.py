"""The WGAN-GP around any network: its losses against the equations, its phases and its classifier."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.critic import autograd_penalty
from d3wrap.adapters.gan import GANBackbone
from d3wrap.generator import RealBatch
from d3wrap.seeds import initialising, stream


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.out = nn.Linear(3 + 4, 7)

    def forward(self, noise: Tensor, att: Tensor) -> Tensor:
        return F.relu(self.out(torch.cat([noise, self.frozen(att)], 1)))


@pytest.fixture
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 20).to("cpu", torch.float64)


@pytest.fixture
def make(dataset):
    def make(**options: object) -> GANBackbone:
        with initialising(0, "generator"):
            adapted = d3wrap.adapt(Net(), noise_dim=3, critic_hidden=8, **options)
            return adapted.bind(dataset).to(dataset.features)

    return make


def batch_of(dataset: d3wrap.GZSLDataset, rows: int = 6) -> RealBatch:
    labels = dataset.train_labels[:rows]
    return RealBatch(dataset.train_features[:rows], labels, dataset.semantics[labels])


def test_the_critic_minimises_the_wasserstein_estimate_and_the_penalty(dataset, make):
    backbone, batch = make(penalty_weight=3.0), batch_of(dataset)
    found = backbone.losses("critic", batch, stream(0, "noise"))
    rng = stream(0, "noise")
    generated = backbone.generate(batch.semantics, rng=rng).detach()
    share = torch.rand(6, 1, dtype=torch.float64, generator=rng)
    between = share * batch.features + (1 - share) * generated
    critic = backbone.critic
    expected = {
        "wasserstein": critic(generated, batch.semantics).mean() - critic(batch.features, batch.semantics).mean(),
        "penalty": 3 * autograd_penalty(critic, between, batch.semantics),
    }
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name])
    reached = torch.autograd.grad(
        sum(found.values()), list(backbone.generator.network.out.parameters()), allow_unused=True
    )
    assert reached == (None, None)


def test_the_generator_minimises_minus_the_score_and_the_classification(dataset, make):
    backbone, batch = make(classification_weight=0.5), batch_of(dataset)
    backbone.prepare(dataset, stream(0, "prepare"))
    found = backbone.losses("generator", batch, stream(0, "noise"))
    generated = backbone.generate(batch.semantics, rng=stream(0, "noise"))
    logits = F.linear(generated, backbone.seen_classifier.linear.weight, backbone.seen_classifier.linear.bias)
    expected = {
        "adversarial": -backbone.critic(generated, batch.semantics).mean(),
        "classification": 0.5 * F.cross_entropy(logits, batch.labels),
    }
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name])


def test_preparing_trains_and_freezes_the_classifier_of_seen_classes(dataset, make):
    backbone = make()
    backbone.prepare(dataset, stream(0, "prepare"))
    predicted = backbone.seen_classifier(dataset.train_features).argmax(1)
    assert float((predicted == dataset.train_labels).double().mean()) > 0.8
    assert not any(parameter.requires_grad for parameter in backbone.seen_classifier.parameters())
    weights = backbone.seen_classifier.linear.weight
    assert not weights[dataset.unseen].isnan().any()


def test_without_a_classification_term_no_classifier_is_trained(dataset, make):
    backbone = make(classification_weight=0.0)
    backbone.prepare(dataset, stream(0, "prepare"))
    assert not backbone.seen_classifier.linear.weight.any()
    assert backbone.losses("generator", batch_of(dataset), stream(0, "noise")).keys() == {"adversarial"}


def test_each_phase_trains_its_own_parameters_and_no_frozen_ones(make):
    backbone = make()
    critic, generator = backbone.phases()
    assert set(critic.parameters) == set(backbone.critic.parameters())
    assert set(generator.parameters) == set(backbone.generator.network.out.parameters())


def test_a_network_with_a_frozen_part_trains(dataset, make):
    backbone = make()
    network = backbone.generator.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8).fit(steps=2, batch_size=8)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("frozen"), name
