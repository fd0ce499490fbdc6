"""CE-GZSL: its losses against loops, its spaces, its presets, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import d3wrap
from d3wrap.data.synthetic import synthetic_world
from d3wrap.errors import ConfigError
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.plugins.cegzsl.embedding import Comparator
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

SPEC = load_plugins(environ={}).generator("cegzsl")
TINY = {
    "hidden": 16, "noise_dim": 3, "embedding_dim": 12, "projection_dim": 5, "comparator_hidden": 9, "steps": 6,
    "batch_size": 10, "critic_steps": 2, "embedding_steps": 4, "embedding_batch_size": 8,
    "instance_weight": 0.5, "class_weight": 2.0, "instance_temperature": 0.3, "class_temperature": 0.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    """Six classes of which 1 and 4 are unseen, so that a class's id is not its place among the seen ones."""
    data = d3wrap.synthetic(6, 2, 7, 4, 10).to("cpu", torch.float64)
    new = torch.tensor([0, 2, 3, 5, 1, 4])[torch.cat([data.seen, data.unseen]).argsort()]
    semantics = torch.empty_like(data.semantics)
    semantics[new] = data.semantics
    return replace(
        data, labels=new[data.labels], semantics=semantics, seen=torch.tensor([0, 2, 3, 5]), unseen=torch.tensor([1, 4])
    )


def build(dataset, **changes):
    backbone = d3wrap.build_generator("cegzsl", dataset, settings={**TINY, **changes})
    for parameter in backbone.parameters():  # at their start, scores and projections are all but equal
        torch.nn.init.normal_(parameter, std=0.5, generator=stream(0, str(parameter.shape)))
    return backbone


@pytest.fixture(scope="module")
def backbone(dataset):
    return build(dataset)


@pytest.fixture(scope="module")
def batch(dataset) -> RealBatch:
    rows = dataset.train[torch.randperm(len(dataset.train), generator=stream(0, "rows"))[:9]]
    labels = dataset.labels[rows]
    return RealBatch(dataset.features[rows], labels, dataset.semantics[labels])


def embedded(backbone, x: Tensor) -> Tensor:
    return (backbone.embedding.embed.weight @ x + backbone.embedding.embed.bias).clamp(min=0)


def projected(backbone, x: Tensor) -> Tensor:
    z = backbone.embedding.project.weight @ embedded(backbone, x) + backbone.embedding.project.bias
    return z / z.square().sum().sqrt()


def score(comparator: Comparator, h: Tensor, a: Tensor) -> float:
    """F of one pair, its first layer on [h; a] side by side."""
    weight = torch.cat([comparator.from_features.weight, comparator.from_semantics.weight], 1)
    hidden = weight @ torch.cat([h, a]) + comparator.from_features.bias
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    return (comparator.out.weight[0] @ hidden + comparator.out.bias[0]).item()


def class_loss(backbone, dataset, features: Tensor, labels: Tensor) -> float:
    loss = 0.0
    for x, label in zip(features, labels.tolist(), strict=True):
        h = embedded(backbone, x)
        exps = {
            c: math.exp(score(backbone.embedding.comparator, h, dataset.semantics[c]) / 0.4)
            for c in dataset.seen.tolist()
        }
        loss -= math.log(exps[label] / sum(exps.values())) / len(labels)
    return loss


def instance_loss(backbone, features: Tensor, labels: Tensor, compete: bool) -> float:
    z, y = [projected(backbone, x) for x in features], labels.tolist()
    anchors = []
    for i in range(len(z)):
        s = [math.exp((z[i] @ other).item() / 0.3) for other in z]
        positives = [j for j in range(len(z)) if j != i and y[j] == y[i]]
        others = sum(s[j] for j in range(len(z)) if y[j] != y[i])
        rest = {p: others + (sum(s[j] for j in positives) if compete else s[p]) for p in positives}
        if positives:
            anchors.append(-sum(math.log(s[p] / rest[p]) for p in positives) / len(positives))
    return sum(anchors) / len(anchors)


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


def test_scores_of_all_pairs_are_those_pair_by_pair(backbone, dataset, batch):
    comparator, h = backbone.embedding.comparator, backbone.encode(batch.features)
    expected = [[score(comparator, row, a) for a in dataset.semantics] for row in h]
    torch.testing.assert_close(comparator.all_pairs(h, dataset.semantics), torch.tensor(expected, dtype=h.dtype))


@pytest.mark.parametrize("numbers", [1, 4 * 9 * 2, 10**6])
def test_blocks_change_neither_scores_nor_gradients(backbone, dataset, batch, numbers):
    comparator, h = backbone.embedding.comparator, backbone.encode(batch.features).detach().requires_grad_()
    results = []
    for limit in (numbers, 2**26):
        scores = comparator.all_pairs(h, dataset.semantics[dataset.seen], limit)
        weights = torch.arange(scores.numel(), dtype=h.dtype).view_as(scores)
        results.append((scores, *torch.autograd.grad((scores * weights).sum(), [h, *comparator.parameters()])))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("compete", [True, False])
def test_the_embedding_minimises_both_contrasts_of_real_features(dataset, batch, compete):
    backbone = build(dataset, positives_compete=compete)
    terms = backbone.losses("embedding", batch, stream(0, "noise"))
    assert list(terms) == ["instance", "class"]
    assert terms["instance"].item() == pytest.approx(instance_loss(backbone, batch.features, batch.labels, compete))
    assert terms["class"].item() == pytest.approx(class_loss(backbone, dataset, batch.features, batch.labels))


def test_the_generator_minimises_them_on_its_features_among_the_real_ones(backbone, dataset, batch):
    terms = backbone.losses("generator", batch, stream(0, "noise"))
    generated = backbone.generate_features(batch.semantics, rng=stream(0, "noise")).detach()
    both, labels = torch.cat([generated, batch.features]), torch.cat([batch.labels, batch.labels])
    assert list(terms) == ["adversarial", "instance", "class"]
    assert terms["adversarial"].item() == pytest.approx(-backbone.critic(generated, batch.semantics).mean().item())
    assert terms["instance"].item() == pytest.approx(0.5 * instance_loss(backbone, both, labels, compete=True))
    assert terms["class"].item() == pytest.approx(2.0 * class_loss(backbone, dataset, generated, batch.labels))


def test_the_critic_judges_visual_features(backbone, batch):
    found = backbone.losses("critic", batch, stream(0, "noise"))
    rng = stream(0, "noise")
    generated = backbone.generate_features(batch.semantics, rng=rng).detach()
    on_real, on_generated, penalty = backbone.critic.compare(batch.features, generated, batch.semantics, rng)
    torch.testing.assert_close(found["wasserstein"], on_generated.mean() - on_real.mean())
    torch.testing.assert_close(found["penalty"], 10 * penalty)


def test_terms_of_weight_zero_are_not_computed(dataset, batch):
    backbone = build(dataset, instance_weight=0.0, class_weight=0.0)
    assert list(backbone.losses("generator", batch, stream(0, "noise"))) == ["adversarial"]


def test_encode_and_generate_lie_in_the_same_space(backbone, dataset):
    x, semantics = dataset.train_features[:5], dataset.semantics[dataset.unseen]
    torch.testing.assert_close(backbone.encode(x), torch.stack([embedded(backbone, row) for row in x]))
    h, features = (make(semantics, rng=stream(0, "noise")) for make in (backbone.generate, backbone.generate_features))
    assert features.shape == (2, dataset.feature_dim)
    assert torch.equal(h, backbone.encode(features))
    z = backbone.embedding.projection(h)
    torch.testing.assert_close(z, torch.stack([projected(backbone, row) for row in features]))


def test_the_embedding_is_learned_in_a_stage_and_stays(dataset):
    def trained(steps: int):
        backbone = d3wrap.build_generator("cegzsl", dataset, settings=TINY)
        fit(backbone, dataset, steps=steps, batch_size=10, seed=0)
        return backbone.state_dict()

    start = d3wrap.build_generator("cegzsl", dataset, settings=TINY).state_dict()
    short, long = trained(1), trained(3)
    weights = [name for name in start if name.endswith("weight") and not name.startswith("seen_classifier")]
    assert len(weights) == 10
    for name in weights:
        assert not torch.equal(start[name], short[name])
        assert torch.equal(short[name], long[name]) == name.startswith("embedding.")


@pytest.mark.parametrize(("steps", "expected"), [(7, 7), (0, 0), (None, 12)])
def test_the_stage_takes_its_own_steps_or_those_of_the_critic(dataset, steps, expected):
    (stage,) = build(dataset, embedding_steps=steps).stages()
    assert (stage.steps, stage.batch_size) == (expected, 8)


def test_rates_decay_for_stage_and_phases_alike(dataset):
    backbone = build(dataset, lr_decay_every=3, lr_decay=0.5)
    critic, generator = backbone.phases()
    (embedding,) = backbone.stages()[0].phases
    assert [critic.decay(n) for n in (0, 2, 3, 6)] == [generator.decay(n) for n in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
    assert [embedding.decay(n) for n in (0, 5, 6, 12)] == [1, 1, 0.5, 0.25]  # two steps for one of the generator
    assert {phase.decay for phase in build(dataset).phases()} == {None}


@pytest.mark.parametrize("name", ["instance_temperature", "class_temperature"])
def test_a_temperature_of_zero_is_refused(dataset, name):
    with pytest.raises(ConfigError, match=f"{name}: expected a number above 0, found 0"):
        build(dataset, **{name: 0.0})


PUBLISHED = {
    # steps, batch, samples, noise, comparator, weight, rate, decay every
    "paper": (1800, 2048, 100, None, 2048, 1e-3, 1e-4, 400),
    "paper/AWA1": (650, 4096, 1800, None, 2048, 1e-3, 1e-4, 250),
    "paper/AWA2": (780, 4096, 2400, None, 2048, 1e-3, 1e-4, 60),
    "paper/CUB": (1800, 2048, 100, None, 2048, 1e-3, 1e-4, 400),
    "paper/SUN": (11000, 1024, 100, None, 1024, 1e-2, 5e-5, 1100),
    "paper/FLO": (2250, 2048, 600, 512, 1024, 1e-2, 1e-4, 300),
}


def test_paper_presets_are_the_authors():
    assert set(SPEC.presets) == {*PUBLISHED, "small", "small/digits"}
    for name, expected in PUBLISHED.items():
        p = SPEC.presets[name]
        found = (
            p.steps, p.batch_size, p.synthetic_per_class, p.noise_dim, p.comparator_hidden, p.class_weight, p.lr,
            p.lr_decay_every,
        )  # fmt: skip
        assert found == expected
        assert (p.hidden, p.embedding_dim, p.projection_dim, p.critic_steps) == (4096, 2048, 512, 5)
        assert (p.instance_weight, p.penalty_weight, p.lr_decay) == (p.class_weight, 10.0, 0.99)
        assert (p.instance_temperature, p.class_temperature, p.positives_compete) == (0.1, 0.1, True)
        assert (p.embedding_steps, p.embedding_batch_size) == (None, None)


@pytest.mark.parametrize("preset", ["paper/SUN", "small"])
def test_a_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("cegzsl", dataset, preset=preset)
    critic, generator = backbone.phases()
    (stage,) = backbone.stages()
    embedding, network = backbone.embedding, backbone.generator.network
    assert (backbone.name, critic.repeats, critic.lr, generator.lr, stage.phases[0].lr) == (
        "cegzsl", settings.critic_steps, settings.lr, settings.lr, settings.lr
    )  # fmt: skip
    assert embedding.embed.out_features == embedding.project.in_features == settings.embedding_dim
    assert embedding.project.out_features == settings.projection_dim
    assert embedding.comparator.out.in_features == settings.comparator_hidden
    assert network.out.in_features == backbone.critic.out.in_features == settings.hidden
    assert network.hidden[0].in_features == dataset.semantic_dim + (settings.noise_dim or dataset.semantic_dim)


class Trained(NamedTuple):
    before: float
    after: float
    losses: list[float]
    evaluation: Evaluation


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Train on an easy world: three smooth attributes, 36 seen classes around the 4 unseen ones."""
    world = synthetic_world(40, 4, 32, 3, 20)
    data, losses = world.dataset, []
    settings = {
        "hidden": 64, "noise_dim": 8, "embedding_dim": 256, "projection_dim": 32, "comparator_hidden": 32, "lr": 5e-3,
        "critic_steps": 3, "embedding_steps": 150, "embedding_batch_size": 96,
    }  # fmt: skip
    backbone = d3wrap.build_generator("cegzsl", data, settings=settings)
    semantics = data.semantics[data.unseen]

    def distance() -> float:
        rng = stream(0, "synthesis")
        with torch.no_grad():
            means = torch.stack([backbone.generate_features(a.expand(100, -1), rng=rng).mean(0) for a in semantics])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    def note(record) -> None:
        losses.extend(value for name, value in record.losses.items() if name == "cegzsl/embedding.class")

    before = distance()
    fit(backbone, data, steps=400, batch_size=64, seed=0, log_every=25, on_log=note)
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    return Trained(before, distance(), losses, evaluation)


def test_the_comparator_learns_which_seen_class_a_real_feature_is_of(trained):
    assert trained.losses[0] > 3  # by chance log 36
    assert trained.losses[-1] < 1


def test_generated_unseen_features_come_near_the_true_class_means(trained):
    assert trained.after < 0.55 * trained.before


def test_unseen_classes_are_told_apart_in_the_embedding_above_chance(trained):
    assert trained.evaluation["softmax"].T1 > 0.5  # by chance 0.25
