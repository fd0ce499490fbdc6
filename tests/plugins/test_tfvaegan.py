"""TF-VAEGAN and f-VAEGAN-D2: their losses against row-by-row oracles, their passes, presets, and that they learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

import d3wrap
from d3wrap.adapters.critic import autograd_penalty
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.data.synthetic import synthetic_world
from d3wrap.errors import ConfigError
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.plugins.tfvaegan.backbone import TFVAEGANBackbone
from d3wrap.plugins.tfvaegan.settings import VAEGANSettings
from d3wrap.plugins.tfvaegan.vaegan import VAEGANBackbone
from d3wrap.seeds import stream
from d3wrap.space import classifier_space
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit
from d3wrap.training.optimizer import adam

PLUGINS = load_plugins(environ={})
SPECS = {name: PLUGINS.generator(name) for name in ("tfvaegan", "fvaegan")}
TINY = {"hidden": 6, "noise_dim": 3, "critic_steps": 2}
WITH_DECODER = TINY | {"decoder_hidden": 5, "decoder_steps": 4}


def unit_interval(dataset: d3wrap.GZSLDataset) -> d3wrap.GZSLDataset:
    scaler = MinMaxScaler.fit(dataset.train_features)
    return replace(dataset, features=scaler.transform(dataset.features).clamp(0, 1))


@pytest.fixture(scope="module")
def dataset():
    return unit_interval(d3wrap.synthetic(6, 2, 7, 4, 10)).to("cpu", torch.float64)


def build(dataset: d3wrap.GZSLDataset, name: str = "tfvaegan", **settings: object) -> VAEGANBackbone:
    """Build it with weights so large that every term has something to say."""
    given = (WITH_DECODER if name == "tfvaegan" else TINY) | settings
    backbone = d3wrap.build_generator(name, dataset, settings=given)
    assert isinstance(backbone, VAEGANBackbone)
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=stream(0, "weights"))
    return backbone


def batch_of(dataset: d3wrap.GZSLDataset, rows: int = 6) -> RealBatch:
    labels = dataset.train_labels[::5][:rows]
    return RealBatch(dataset.train_features[::5][:rows], labels, dataset.semantics[labels])


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def one_row(backbone: VAEGANBackbone, z: Tensor, a: Tensor, strength: float | None) -> Tensor:
    """Return the feature of one row from the layers' weights; ``strength`` None is the first pass."""
    g = backbone.generator
    hidden = leaky(g.hidden[0].weight @ torch.cat([z, a]) + g.hidden[0].bias)
    first = 1 / (1 + torch.exp(-(g.out.weight @ hidden + g.out.bias)))
    if strength is None:
        return first
    assert isinstance(backbone, TFVAEGANBackbone)
    read = leaky(backbone.decoder.hidden[0].weight @ first.detach() + backbone.decoder.hidden[0].bias)
    rate = backbone.settings.feedback_lr / backbone.settings.lr
    for layer in (backbone.feedback.first, backbone.feedback.second):
        read = leaky((rate * layer.weight) @ read + rate * layer.bias)
    return 1 / (1 + torch.exp(-(g.out.weight @ (hidden + strength * read) + g.out.bias)))


def normal(rows: int, width: int, rng: torch.Generator) -> Tensor:
    return torch.randn(rows, width, dtype=torch.float64, generator=rng)


def features_of(
    backbone: VAEGANBackbone, batch: RealBatch, rng: torch.Generator, strength: float | None, encoded: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return features of encoded (or of free) noise, and the posterior's mean and log variance."""
    mean, log_variance = backbone.encoder(batch.features, batch.semantics)
    noise = normal(len(mean), 3, rng)
    z = mean + torch.exp(log_variance / 2) * noise if encoded else noise
    rows = [one_row(backbone, z[i], batch.semantics[i], strength) for i in range(len(z))]
    return torch.stack(rows), mean, log_variance


def value(loss: Tensor) -> float:
    return float(loss.detach())


def values(losses: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: value(loss) for name, loss in losses.items()}


PASSES = [("", None), ("feedback", 0.7)]


@pytest.mark.parametrize("name", SPECS)
def test_it_keeps_the_contract(name):
    assert check_generator(SPECS[name])


@pytest.mark.parametrize(("prefix", "strength"), PASSES)
@pytest.mark.parametrize("encoded", [True, False])
def test_the_critic_minimises_the_weighted_estimate_and_penalty(dataset, prefix, strength, encoded):
    backbone = build(
        dataset, critic_weight=3.0, penalty_weight=2.0, encoded_noise=encoded, feedback_strength=0.7, feedback_lr=2e-4
    )
    batch, rng = batch_of(dataset), stream(0, "noise")
    found = backbone.losses(f"{prefix}_critic".lstrip("_"), batch, stream(0, "noise"))
    generated = features_of(backbone, batch, rng, strength, encoded)[0].detach()
    share = torch.rand(6, 1, dtype=torch.float64, generator=rng)
    critic = backbone.critic
    scores = [
        value(critic(x[i : i + 1], batch.semantics[i : i + 1])) for x in (generated, batch.features) for i in range(6)
    ]
    between = share * batch.features + (1 - share) * generated
    expected = {
        "wasserstein": 3 * (sum(scores[:6]) - sum(scores[6:])) / 6,
        "penalty": 3 * 2 * value(autograd_penalty(critic, between, batch.semantics)),
    }
    assert values(found) == pytest.approx(expected)
    networks = (backbone.generator, backbone.encoder)
    others = [p for network in networks for p in network.parameters()]
    assert set(torch.autograd.grad(sum(found.values()), others, allow_unused=True)) == {None}


@pytest.mark.parametrize(("prefix", "strength"), PASSES)
@pytest.mark.parametrize("encoded", [True, False])
def test_the_generator_minimises_vae_adversarial_and_semantic_terms(dataset, prefix, strength, encoded):
    backbone = build(
        dataset,
        adversarial_weight=3.0,
        semantic_weight=0.4,
        encoded_noise=encoded,
        feedback_strength=0.7,
        feedback_lr=2e-4,
    )
    batch, rng = batch_of(dataset), stream(0, "noise")
    found = backbone.losses(prefix or "generator", batch, stream(0, "noise"))
    rebuilt, mean, log_variance = features_of(backbone, batch, rng, strength, True)
    generated = rebuilt if encoded else features_of(backbone, batch, rng, strength, False)[0]
    expected = dict.fromkeys(("reconstruction", "kl", "adversarial", "semantic"), 0.0)
    for i in range(6):
        for r, x in zip(rebuilt[i].tolist(), batch.features[i].tolist(), strict=True):
            expected["reconstruction"] -= (x * math.log(r) + (1 - x) * math.log(1 - r)) / 6
        for m, v in zip(mean[i].tolist(), log_variance[i].tolist(), strict=True):
            expected["kl"] += 0.5 * (m**2 + math.exp(v) - 1 - v) / 6
        expected["adversarial"] -= 3 * value(backbone.critic(generated[i : i + 1], batch.semantics[i : i + 1])) / 6
        error = backbone.decoder(generated[i : i + 1])[0] - batch.semantics[i] / batch.semantics[i].norm()
        expected["semantic"] += 0.4 * value((error.abs() ** 3).sum() / error.norm()) / 6
    assert values(found) == pytest.approx(expected)


def test_the_gradient_of_the_second_pass_is_that_of_the_oracle(dataset):
    """The first pass gives the feedback no gradient, the generator gets that of the second alone."""
    backbone, batch = build(dataset, feedback_strength=0.7), batch_of(dataset)
    parameters = backbone.phases()[-1].parameters
    found = backbone.losses("feedback", batch, stream(0, "noise"))["adversarial"]
    generated = features_of(backbone, batch, stream(0, "noise"), 0.7, True)[0]
    expected = -10 * backbone.critic(generated, batch.semantics).mean()
    gradients = zip(*(torch.autograd.grad(loss, parameters) for loss in (found, expected)), strict=True)
    for one, other in gradients:
        assert other.any()
        torch.testing.assert_close(one, other)


def test_the_decoder_learns_semantics_of_unit_length_from_real_features(dataset):
    backbone, batch = build(dataset), batch_of(dataset)
    found = backbone.losses("decoder", batch, stream(0, "noise"))
    error = backbone.decoder(batch.features) - batch.semantics / batch.semantics.norm(dim=1, keepdim=True)
    expected = sum(value((e.abs() ** 3).sum() / e.norm()) for e in error) / 6
    assert values(found) == pytest.approx({"semantic": expected})


@pytest.mark.parametrize(("synthesis", "strength"), [(None, 0.7), (0.2, 0.2)])
def test_samples_are_of_the_second_pass_with_what_the_decoder_reads(dataset, synthesis, strength):
    backbone = build(dataset, feedback_strength=0.7, synthesis_strength=synthesis)
    found = backbone.generate(dataset.semantics, rng=stream(0, "noise"))
    noise = normal(6, 3, stream(0, "noise"))
    for i in range(6):
        x = one_row(backbone, noise[i], dataset.semantics[i], strength)
        hidden = leaky(backbone.decoder.hidden[0].weight @ x + backbone.decoder.hidden[0].bias)
        a = backbone.decoder.out.weight @ hidden + backbone.decoder.out.bias
        torch.testing.assert_close(found[i], torch.cat([x, hidden, a / a.norm()]))
    visual = backbone.generate_features(dataset.semantics, rng=stream(0, "noise"))
    assert torch.equal(found, backbone.encode(visual))
    assert classifier_space(backbone, dataset).feature_dim == 7 + 5 + 4


def test_feedback_without_strength_is_no_feedback(dataset):
    off, on = (build(dataset, feedback=feedback, feedback_strength=0.0) for feedback in (False, True))
    on.load_state_dict(off.state_dict(), strict=False)
    one, other = (b.generate(dataset.semantics, rng=stream(0, "noise")) for b in (off, on))
    assert torch.equal(one, other)
    batch = batch_of(dataset)
    for first, second in (("critic", "feedback_critic"), ("generator", "feedback")):
        losses = off.losses(first, batch, stream(0, "noise")), on.losses(second, batch, stream(0, "noise"))
        assert losses[0] == losses[1]


def test_switched_off_it_is_f_vaegan_bit_by_bit(dataset):
    switched = d3wrap.build_generator(
        "tfvaegan", dataset, settings=TINY | {"feedback": False, "decoder": False}, seed=3
    )
    plain = d3wrap.build_generator("fvaegan", dataset, settings=TINY, seed=3)
    for backbone in (switched, plain):
        fit(backbone, dataset, steps=3, batch_size=8, seed=0)
    assert switched.state_dict().keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, switched.state_dict()[name]), name
    assert plain.encode(dataset.features) is dataset.features
    assert classifier_space(plain, dataset) is dataset


def test_the_decoder_alone_adds_its_space_and_its_term(dataset):
    backbone = build(dataset, feedback=False)
    assert [(p.name, p.enhanced) for p in backbone.phases()] == [("critic", False), ("generator", True)]
    assert "semantic" in backbone.losses("generator", batch_of(dataset), stream(0, "noise"))
    without = build(dataset, feedback=False, semantic_weight=0.0)
    assert "semantic" not in without.losses("generator", batch_of(dataset), stream(0, "noise"))
    assert without.generate(dataset.semantics).shape == (6, 16)


def test_feedback_needs_a_decoder(dataset):
    with pytest.raises(ConfigError, match="feedback: expected false where decoder is false"):
        d3wrap.build_generator("tfvaegan", dataset, settings={"decoder": False})


def test_samples_reach_generator_and_feedback_and_the_decoder_is_in_no_later_phase(dataset):
    backbone = build(dataset)
    phases = backbone.phases()
    found = [(p.name, p.enhanced, p.repeats) for p in phases]
    assert found == [
        ("critic", False, 2), ("generator", False, 1), ("feedback_critic", False, 2), ("feedback", True, 1)
    ]  # fmt: skip
    own = {network: set(getattr(backbone, network).parameters()) for network in ("generator", "encoder", "feedback")}
    assert set(phases[1].parameters) == own["generator"] | own["encoder"]
    assert set(phases[3].parameters) == own["generator"] | own["encoder"] | own["feedback"]
    samples = backbone.generate(dataset.semantics, rng=stream(0, "noise")).square().sum()
    reached = torch.autograd.grad(samples, [*own["generator"], *own["feedback"]])
    assert all(bool(gradient.any()) for gradient in reached)
    assert not set(backbone.decoder.parameters()) & {p for phase in phases for p in phase.parameters}


def test_the_decoder_is_fixed_after_its_stage(dataset):
    short, long = (d3wrap.build_generator("tfvaegan", dataset, settings=WITH_DECODER) for _ in range(2))
    begun = {name: value.clone() for name, value in short.decoder.state_dict().items()}
    for backbone, steps in ((short, 1), (long, 4)):
        fit(backbone, dataset, steps=steps, batch_size=8, seed=0)
    for name, value in short.decoder.state_dict().items():
        assert not torch.equal(value, begun[name])
        assert torch.equal(value, long.decoder.state_dict()[name])
    assert not torch.equal(short.generator.out.weight, long.generator.out.weight)


def test_generator_and_feedback_learn_at_rates_of_their_own(dataset):
    """The first step of Adam has the size of the learning rate, in the weights as they are used."""
    settings = WITH_DECODER | {"lr": 1e-4, "feedback_lr": 3e-3}
    backbone = d3wrap.build_generator("tfvaegan", dataset, settings=settings)
    phase = backbone.phases()[-1]
    layers = {"feedback": backbone.feedback.second, "generator": backbone.generator.out}
    rates = {"feedback": backbone.feedback.rate, "generator": 1.0}
    before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    losses = backbone.losses("feedback", batch_of(dataset), stream(0, "noise"))
    sum(losses.values()).backward()
    adam(phase.parameters, lr=phase.lr, betas=phase.betas).step()
    for name, expected in (("feedback", 3e-3), ("generator", 1e-4)):
        moved = (rates[name] * (layers[name].weight - before[name])).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, expected), rtol=0.05, atol=0)


@pytest.mark.parametrize("feedback_lr", [1e-5, 1e-3])
def test_the_feedback_starts_from_the_same_function_whatever_its_rate(dataset, feedback_lr):
    def first(rate: float) -> Tensor:
        backbone = d3wrap.build_generator("tfvaegan", dataset, settings=WITH_DECODER | {"feedback_lr": rate})
        return backbone.generate(dataset.semantics, rng=stream(0, "noise"))

    torch.testing.assert_close(first(feedback_lr), first(1e-4))


def test_both_critic_phases_move_one_penalty_weight(dataset):
    backbone = build(dataset, critic_steps=1)
    backbone.train()
    for phase in ("critic", "feedback_critic"):
        before = float(backbone.penalty.weight)
        backbone.losses(phase, batch_of(dataset), stream(0, "noise"))
        assert float(backbone.penalty.weight) / before in (pytest.approx(1.1), pytest.approx(1 / 1.1))


RELEASED = {
    # steps = epochs × ⌈rows of trainval / 64⌉; γ; lr of G, F, Dec; semantic weight; δ; features a class; encoded noise
    "AWA2": (120 * 368, 10.0, 1e-5, 1e-4, 1e-4, 0.1, (0.01, 0.01), 1800, True),
    "CUB": (300 * 111, 10.0, 1e-4, 1e-5, 1e-4, 0.01, (1.0, 1.0), 300, True),
    "FLO": (500 * 88, 10.0, 1e-4, 1e-5, 1e-4, 0.01, (0.5, 0.5), 1200, False),
    "SUN": (400 * 162, 1.0, 1e-3, 1e-4, 1e-4, 0.01, (0.1, 0.01), 400, True),
}


@pytest.mark.parametrize("dataset_name", RELEASED)
def test_the_paper_presets_are_the_releases(dataset_name):
    p = SPECS["tfvaegan"].presets[f"paper/{dataset_name}"]
    synthesis = p.feedback_strength if p.synthesis_strength is None else p.synthesis_strength
    assert p.critic_weight == p.adversarial_weight
    assert RELEASED[dataset_name] == (
        p.steps, p.critic_weight, p.lr, p.feedback_lr, p.decoder_lr, p.semantic_weight,
        (p.feedback_strength, synthesis), p.synthetic_per_class, p.encoded_noise,
    )  # fmt: skip
    sizes = (p.hidden, p.decoder_hidden, p.noise_dim, p.batch_size, p.critic_steps, p.penalty_weight, p.output)
    assert sizes == (4096, 4096, None, 64, 5, 10.0, "sigmoid")
    assert (p.decoder, p.feedback) == (True, True)


@pytest.mark.parametrize("preset", sorted(SPECS["tfvaegan"].presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    both = SPECS["tfvaegan"].presets[preset], SPECS["fvaegan"].presets[preset]
    assert all(
        getattr(both[0], field.name) == getattr(both[1], field.name)
        for field in fields(VAEGANSettings)
        if preset.startswith("paper")
    )
    narrow = {"hidden": 6, "decoder_hidden": 5}
    backbone = d3wrap.build_generator("tfvaegan", dataset, preset=preset, settings=narrow)
    settings, phases = both[0], backbone.phases()
    width = settings.noise_dim or dataset.semantic_dim
    assert backbone.generator.hidden[0].in_features == width + dataset.semantic_dim
    assert (backbone.generator.out.in_features, backbone.decoder.out.in_features) == (6, 5)
    assert {p.lr for p in phases} == {settings.lr}
    assert {p.betas for p in phases} == {(0.5, 0.999)}
    assert phases[0].repeats == settings.critic_steps
    (stage,) = backbone.stages()
    assert (stage.steps, stage.phases[0].lr) == (settings.decoder_steps, settings.decoder_lr)
    assert float(backbone.penalty.weight) == settings.penalty_weight


@pytest.mark.parametrize("name", SPECS)
def test_it_learns_an_easy_world(name):
    """Three smooth attributes, 36 seen classes around the 4 unseen ones."""
    world = synthetic_world(40, 4, 32, 3, 20)
    scaler = MinMaxScaler.fit(world.dataset.train_features)
    data = replace(world.dataset, features=scaler.transform(world.dataset.features))
    truth = scaler.transform(world.class_means)
    settings = {
        "hidden": 64,
        "noise_dim": 8,
        "lr": 3e-3,
        "critic_steps": 1,
        "critic_weight": 1.0,
        "adversarial_weight": 1.0,
    }
    if name == "tfvaegan":
        settings |= {"decoder_hidden": 32, "decoder_steps": 100, "decoder_lr": 3e-3, "feedback_lr": 3e-3}
    backbone = d3wrap.build_generator(name, data, settings=settings)

    def distance() -> float:
        samples, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        means = torch.stack([samples[labels == c, :32].mean(0) for c in data.unseen])
        return float((means - truth[data.unseen]).norm(dim=1).mean())

    before = distance()
    fit(backbone, data, steps=200, batch_size=64, seed=0)
    assert distance() < 0.55 * before
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    assert evaluation["softmax"].T1 > 0.5  # by chance 0.25
