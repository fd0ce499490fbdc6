"""GSMFlow: its presets, anchors, loss and rates against the paper and the released code, and that it learns."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import d3wrap
from d3wrap.data.synthetic import synthetic_world
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.plugins.gsmflow import GSMFlowBackbone, GSMFlowSettings, RelativePositioning, find_anchors
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

pytest.importorskip("FrEIA")
SPEC = load_plugins(environ={}).generator("gsmflow")
TINY = {"blocks": 2, "hidden": 6, "condition_dim": 5, "batch_size": 16}


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(8, 3, 7, 4, 10).to("cpu", torch.float64)


def build(dataset: d3wrap.GZSLDataset, **settings: object) -> GSMFlowBackbone:
    backbone = d3wrap.build_generator("gsmflow", dataset, settings={**TINY, **settings})
    backbone.prepare(dataset, stream(0, "prepare"))
    return backbone


def batch_of(dataset: d3wrap.GZSLDataset, rows: int = 6) -> RealBatch:
    labels = dataset.train_labels[:rows]
    return RealBatch(dataset.train_features[:rows], labels, dataset.semantics[labels])


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


RELEASED = {  # of the authors' scripts: epochs, rows, batch, generated, K, λ_p, π, weight decay, γ
    "AWA2": (500, 23_527, 256, 50_000, 3, 10, 0.15, 3e-6, 0.92),
    "APY": (600, 5932, 200, 9000, 5, 3, 0.02, 1e-6, 0.55),
    "CUB": (600, 7057, 256, 600, 5, 1, 0.05, 1e-5, 0.8),
    "FLO": (300, 5631, 256, 3000, 5, 3, 0.07, 1e-4, 0.8),
}


@pytest.mark.parametrize("name", RELEASED)
def test_the_paper_presets_are_those_released(name):
    found, (epochs, rows, batch, *others) = SPEC.presets[f"paper/{name}"], RELEASED[name]
    assert found.steps == epochs * (rows // batch)
    assert found.batch_size == batch
    assert others == [
        found.synthetic_per_class, found.blocks, found.prototype_weight, found.perturbation, found.weight_decay,
        found.decay,
    ]  # fmt: skip
    common = (found.hidden, found.condition_dim, found.clamp, found.mask, found.lr, found.decay_epochs, found.permute)
    assert common == (2048, 1024, 1.0, 0.0, 3e-4, 15, False)


def test_a_dataset_without_a_script_gets_that_of_cub():
    assert SPEC.presets["paper"] == SPEC.presets["paper/CUB"] == GSMFlowSettings()


@pytest.mark.parametrize("preset", sorted(SPEC.presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("gsmflow", dataset, preset=preset, settings={"hidden": 6, "condition_dim": 5})
    sequence = backbone.network.network
    names = ["PermuteRandom", "GLOWCouplingBlock"] if settings.permute else ["GLOWCouplingBlock"]
    assert [type(module).__name__ for module in sequence] == names * settings.blocks
    block = sequence[len(names) - 1]
    assert (block.clamp, block.condition_length, block.subnet1[0].out_features) == (settings.clamp, 5, 6)
    (phase,) = backbone.phases()
    assert (phase.lr, phase.betas, phase.weight_decay) == (settings.lr, (0.9, 0.999), settings.weight_decay)
    assert set(phase.parameters) == {p for p in backbone.parameters() if p.requires_grad}
    assert {*sequence.parameters(), *backbone.condition.parameters()} == set(backbone.parameters())
    assert (backbone.perturbation, backbone.mask) == (settings.perturbation, settings.mask)
    assert backbone.prototype_weight == settings.prototype_weight


def test_the_rate_falls_every_fifteen_epochs(dataset):
    assert len(dataset.train) == 40
    (phase,) = build(dataset, decay=0.5).phases()  # three steps of 16 see the 40 rows
    found = [phase.decay(n) for n in (0, 44, 45, 89, 90, 135)]
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.125]


def naive_anchors(semantics: Tensor) -> list[list[float]]:
    totals = [sum(float(F.cosine_similarity(a, b, dim=0)) for b in semantics) for a in semantics]
    ranked = sorted(range(len(totals)), key=totals.__getitem__)
    return [semantics[i].tolist() for i in (ranked[0], ranked[-1], ranked[len(ranked) // 2])]


@given(classes=st.integers(1, 12), width=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_anchors_are_those_of_the_smallest_largest_and_median_total_similarity(classes, width, seed):
    semantics = torch.randn(classes, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    if classes > 2:  # of two classes the totals are equal but for rounding
        assert find_anchors(semantics).tolist() == naive_anchors(semantics)
    assert find_anchors(semantics).shape == (3, width)


def test_positions_are_sums_over_the_anchors(dataset):
    positions = RelativePositioning(4, 5).double()
    positions.anchors.copy_(find_anchors(dataset.semantics))
    found = positions(dataset.semantics)
    for i, a in enumerate(dataset.semantics):
        expected = torch.zeros(5, dtype=torch.float64)
        for layer, anchor in zip(positions.maps, positions.anchors, strict=True):
            expected = expected + (layer.weight @ (a - anchor) + layer.bias).clamp(min=0)
        torch.testing.assert_close(found[i], expected)


def test_preparing_looks_at_training_rows_of_seen_classes_alone(dataset):
    backbone = build(dataset)
    assert torch.equal(backbone.seen_semantics, dataset.semantics[dataset.seen])
    assert torch.equal(backbone.condition.anchors, find_anchors(dataset.semantics[dataset.seen]))
    for mean, c in zip(backbone.class_means, dataset.seen, strict=True):
        rows = [dataset.features[i] for i in dataset.train.tolist() if dataset.labels[i] == c]
        torch.testing.assert_close(mean, sum(rows) / len(rows))


def test_the_loss_is_the_papers(dataset):
    backbone, batch = build(dataset, prototype_weight=2.5, perturbation=0.3, mask=0.4), batch_of(dataset)
    found = backbone.losses("flow", batch, stream(0, "noise"))
    rng, (n, d) = stream(0, "noise"), batch.features.shape
    noise = torch.randn(n, d, dtype=torch.float64, generator=rng)
    mask = torch.rand(d, dtype=torch.float64, generator=rng) >= 0.4
    assert 0 < int(mask.sum()) < d
    prior = volume = prototypes = 0.0
    for i in range(n):
        seen = batch.features[i] + 0.3 * mask * noise[i]
        z, log_determinant = backbone.network(seen[None], backbone.condition(batch.semantics[i : i + 1]))
        prior = prior + float((z[0] @ z[0]).detach()) / (2 * n * d)
        volume = volume - float(log_determinant.detach()) / (n * d)
    for c in dataset.seen:
        condition = backbone.condition(dataset.semantics[c][None])
        central = backbone.network.inverse(torch.zeros(1, d, dtype=torch.float64), condition)[0]
        mean = dataset.train_features[dataset.train_labels == c].mean(0)
        prototypes += 2.5 * float((central - mean).square().sum().detach()) / (d * len(dataset.seen))
    assert {name: float(value.detach()) for name, value in found.items()} == pytest.approx(
        {"prior": prior, "volume": volume, "prototypes": prototypes}
    )


def test_the_prototypes_give_no_gradient_to_the_positions(dataset):
    backbone, batch = build(dataset), batch_of(dataset)
    prototypes = backbone.losses("flow", batch, stream(0, "noise"))["prototypes"]
    positions = list(backbone.condition.parameters())
    couplings = [p for p in backbone.network.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(prototypes, positions + couplings, allow_unused=True)
    assert all(gradient is None for gradient in gradients[: len(positions)])
    assert all(gradient is not None and gradient.any() for gradient in gradients[len(positions) :])


def test_without_their_weight_there_are_no_prototypes(dataset):
    terms = build(dataset, prototype_weight=0.0).losses("flow", batch_of(dataset), stream(0, "noise"))
    assert terms.keys() == {"prior", "volume"}


def test_gradients_of_generated_features_are_those_of_finite_differences(dataset):
    backbone = build(dataset)
    semantics, direction = dataset.semantics[dataset.unseen], torch.randn(3, 7, generator=stream(0, "d")).double()

    def score(one: GSMFlowBackbone) -> Tensor:
        return (one.generate(semantics, rng=stream(0, "z")) * direction).sum()

    (phase,) = backbone.phases()
    names = {parameter: name for name, parameter in backbone.named_parameters()}
    for parameter, gradient in zip(
        phase.parameters, torch.autograd.grad(score(backbone), phase.parameters), strict=True
    ):
        index = int(gradient.abs().argmax())
        moved = []
        for step in (1e-5, -1e-5):
            other = copy.deepcopy(backbone)
            dict(other.named_parameters())[names[parameter]].data.view(-1)[index] += step
            moved.append(float(score(other).detach()))
        assert float(gradient.abs().max()) > 0, names[parameter]
        assert (moved[0] - moved[1]) / 2e-5 == pytest.approx(float(gradient.view(-1)[index]), rel=1e-4), names[
            parameter
        ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_still_inverts_after_some_training(dataset, dtype):
    data = dataset.to("cpu", dtype)
    backbone = build(data, lr=1e-2)
    fit(backbone, data, steps=30, batch_size=16, seed=0)
    with torch.no_grad():
        condition = backbone.condition(data.semantics[data.train_labels])
        z, _ = backbone.network(data.train_features, condition)
        assert float((backbone.network.inverse(z, condition) - data.train_features).abs().max()) < 1e-5
    assert float((z - data.train_features).abs().max()) > 0.1


def test_the_seed_draws_weights_and_permutations(dataset):
    def state(seed: int) -> dict[str, Tensor]:
        return d3wrap.build_generator("gsmflow", dataset, settings=TINY, seed=seed).state_dict()

    one, again, other = state(0), state(0), state(1)
    assert any(name.endswith("perm") for name in one)
    assert all(torch.equal(one[name], again[name]) for name in one)
    fixed = {name for name in one if torch.equal(one[name], other[name])}
    assert fixed == {"condition.anchors", "seen_semantics", "class_means"}


def test_it_learns_unseen_classes_of_a_synthetic_world():
    world = synthetic_world(40, 4, 32, 3, 20)
    data = world.dataset
    settings = {"hidden": 48, "condition_dim": 32, "lr": 3e-3, "prototype_weight": 3.0}
    backbone = d3wrap.build_generator("gsmflow", data, settings=settings)

    def distance() -> float:
        features, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        means = torch.stack([features[labels == c].mean(0) for c in data.unseen])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    before, records = distance(), []
    fit(backbone, data, steps=300, batch_size=64, seed=0, log_every=50, on_log=records.append)
    assert distance() < 0.55 * before
    first, last = (records[i].losses["gsmflow/flow.prototypes"] for i in (0, -1))
    assert last < 0.5 * first
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    assert evaluation["softmax"].T1 > 0.5  # by chance 0.25


def test_a_class_alone_is_every_anchor(dataset):
    label = dataset.train_labels[:1]
    alone = replace(dataset, seen=label, train=dataset.train[dataset.train_labels == label])
    assert torch.equal(build(alone).condition.anchors, dataset.semantics[label].expand(3, -1))
