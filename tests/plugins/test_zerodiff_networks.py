"""ZeroDiff's networks against loops: what critics see, what phases minimise, and the two ways of sampling."""

from __future__ import annotations

import pytest
import torch

import d3wrap
from d3wrap.adapters.critic import interpolate
from d3wrap.adapters.decoder import semantic_distance
from d3wrap.adapters.encoder import kl, reconstruction
from d3wrap.generator import RealBatch
from d3wrap.seeds import stream

M, TIME, Z, T = 10, 4, 3, 4
TINY = {
    "hidden": 16, "critic_hidden": 12, "noise_dim": Z, "representation_dim": M, "head_dim": 5, "time_dim": TIME,
    "output": "sigmoid", "critic_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 5, 10).to("cpu", torch.float64)


def build(dataset, **changes):
    backbone = d3wrap.build_generator("zerodiff", dataset, preset="paper", settings={**TINY, **changes})
    for name, parameter in backbone.named_parameters():  # at their start, all scores are all but equal
        torch.nn.init.normal_(parameter, std=0.5, generator=stream(0, name))
    backbone.prepare(dataset, stream(0, "prepare"))
    return backbone


@pytest.fixture(scope="module")
def batch(dataset) -> RealBatch:
    rows = dataset.train[torch.randperm(len(dataset.train), generator=stream(0, "rows"))[:9]]
    labels = dataset.labels[rows]
    return RealBatch(dataset.features[rows], labels, dataset.semantics[labels])


def drawn_by_hand(denoiser, clean, condition, rng, z=None):
    """Steps, x_t, x_{t+1}, x̃_0 and x̃_t, row by row, with the random numbers of ``diffuse``."""
    n, schedule = len(clean), denoiser.schedule
    step = torch.randint(T, (n,), generator=rng)
    first, second = (torch.randn(clean.shape, generator=rng, dtype=clean.dtype) for _ in range(2))
    z = torch.randn(n, Z, generator=rng, dtype=clean.dtype) if z is None else z
    third = torch.randn(clean.shape, generator=rng, dtype=clean.dtype)
    real, noisier, predicted, generated = [], [], [], []
    for i, t in enumerate(step.tolist()):
        real.append(schedule.signal[t] * clean[i] + schedule.sigma[t] * first[i])
        noisier.append(schedule.step_signal[t] * real[i] + schedule.step_sigma[t] * second[i])
        inputs = (noisier[i][None], step[i : i + 1], z[i : i + 1], condition[i : i + 1])
        predicted.append(denoiser.network(*inputs)[0])
        mean = schedule.from_start[t] * predicted[i] + schedule.from_state[t] * noisier[i]
        generated.append(mean + schedule.posterior_sigma[t] * third[i])
    return step, *(torch.stack(rows) for rows in (real, noisier, predicted, generated))


def score(critic, x, *conditions):
    """D of each row: one hidden layer on x and its conditions, in this order."""
    c = torch.cat(conditions, 1)
    hidden = x @ critic.from_features.weight.T + critic.from_features.bias + c @ critic.from_semantics.weight.T
    return (torch.where(hidden > 0, hidden, 0.2 * hidden) @ critic.out.weight.T + critic.out.bias)[:, 0]


def test_critics_have_the_widths_of_what_they_are_given(dataset):
    backbone, d, k = build(dataset), dataset.feature_dim, dataset.semantic_dim

    def widths(critics):
        networks = critics.networks.items()
        return {name: (c.from_features.in_features, c.from_semantics.in_features) for name, c in networks}

    assert widths(backbone.drg.critics) == {"adversarial": (M, k), "diffusion": (M, M + k + TIME)}
    assert widths(backbone.dfg.critics) == {
        "adversarial": (d, k), "diffusion": (d, d + M + k + TIME), "representation": (d, M)
    }  # fmt: skip
    assert backbone.drg.denoiser.network.network.hidden[0].in_features == M + TIME + Z + k
    assert backbone.dfg.denoiser.network.network.hidden[0].in_features == d + TIME + Z + k + M


def feature_views(backbone, batch, rng, z=None):
    """What each critic of DFG is to score: real and generated rows, and their conditions."""
    v, a = batch.features, batch.semantics
    r = backbone.representation(v).detach()
    condition = torch.cat([a, r], 1)
    step, v_t, v_next, fake, fake_t = drawn_by_hand(backbone.dfg.denoiser, v, condition, rng, z)
    time = backbone.dfg.denoiser.network.embedding.table[step]
    return step, fake, {
        "adversarial": (v, fake, (a,)),
        "diffusion": (v_t, fake_t, (v_next, r, a, time)),
        "representation": (v, fake, (r,)),
    }  # fmt: skip


@pytest.mark.parametrize("mutual", ["none", "paper", "released"])
def test_the_critics_minimise_their_terms_and_the_mutual_one(dataset, batch, mutual):
    backbone = build(dataset, mutual=mutual, adversarial_weight=3.0, mutual_weight=0.7, gamma=1.3)
    critics = backbone.dfg.critics.networks
    found = backbone.losses("critic", batch, stream(0, "noise"))
    rng = stream(0, "noise")
    step, _, views = feature_views(backbone, batch, rng)
    expected, estimates, penalty = {}, {}, 0.0
    for name, (real, fake, conditions) in views.items():
        estimates[name] = score(critics[name], real, *conditions) - score(critics[name], fake, *conditions)
        expected[name] = -3.0 * estimates[name].mean()
        between = interpolate(real.detach(), fake.detach(), rng).requires_grad_()
        (slope,) = torch.autograd.grad(score(critics[name], between, *conditions).sum(), between)
        penalty += float((slope.norm(dim=1) - 1).square().mean())
    expected["penalty"] = torch.tensor(3.0 * 10.0 * penalty, dtype=torch.float64)
    adv, diff, rep = (estimates[name] for name in ("adversarial", "diffusion", "representation"))
    signal = backbone.dfg.denoiser.schedule.signal
    if mutual == "released":
        weight = signal[step] ** 1.3
        squares = weight * ((adv - diff).square() + (rep - diff).square()) + (adv - rep).square()
        expected["mutual"] = 0.7 * 2 * squares.mean()
    if mutual == "paper":
        total = (adv.mean() - rep.mean()).abs()
        for t in step.unique():  # κ is that of v_{t+1}, the noisier of the two that are compared
            rows = step == t
            apart = (diff[rows] - adv[rows]).mean().abs() + (diff[rows] - rep[rows]).mean().abs()
            total = total + rows.double().mean() * (1 - signal[t + 1]) ** 1.3 * apart
        expected["mutual"] = 0.7 * total
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=lambda text, name=name: f"{name}: {text}")


def test_the_generator_minimises_its_scores_and_what_the_release_adds(dataset, batch):
    weights = {"adversarial_weight": 3.0, "reconstruction_weight": 0.6, "semantic_weight": 0.3}
    backbone = build(dataset, **weights)
    dfg = backbone.dfg
    found = backbone.losses("generator", batch, stream(0, "noise"))
    rng = stream(0, "noise")
    mean, log_variance = dfg.encoder(batch.features, batch.semantics)
    noise = torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
    _, fake, views = feature_views(backbone, batch, rng, mean + noise * (log_variance / 2).exp())
    expected = {name: -3.0 * score(dfg.critics.networks[name], f, *c).mean() for name, (_, f, c) in views.items()}
    expected["reconstruction"] = 0.6 * reconstruction(fake, batch.features, "sigmoid")
    expected["kl"] = 0.6 * kl(mean, log_variance)
    expected["semantic"] = 0.3 * semantic_distance(dfg.decoder(fake), batch.semantics)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    decoder = backbone.losses("decoder", batch, stream(0, "noise"))
    torch.testing.assert_close(
        decoder["semantic"], semantic_distance(dfg.decoder(batch.features), batch.semantics), rtol=0, atol=0
    )


def test_the_first_stages_phases_minimise_the_scores_of_representations(dataset, batch):
    backbone = build(dataset)
    drg, r = backbone.drg, backbone.representation(batch.features).detach()
    step, r_t, r_next, fake, fake_t = drawn_by_hand(drg.denoiser, r, batch.semantics, stream(0, "noise"))
    time = drg.denoiser.network.embedding.table[step]
    start, later = drg.critics.networks["adversarial"], drg.critics.networks["diffusion"]
    a, conditions = batch.semantics, (r_next, batch.semantics, time)
    found = backbone.losses("drg_generator", batch, stream(0, "noise"))
    torch.testing.assert_close(found["adversarial"], -score(start, fake, a).mean())
    torch.testing.assert_close(found["diffusion"], -score(later, fake_t, *conditions).mean())
    found = backbone.losses("drg_critic", batch, stream(0, "noise"))
    torch.testing.assert_close(found["adversarial"], (score(start, fake, a) - score(start, r, a)).mean())
    apart = score(later, fake_t, *conditions) - score(later, r_t, *conditions)
    torch.testing.assert_close(found["diffusion"], apart.mean())


def test_the_penalty_of_all_critics_has_one_weight_that_follows_it(dataset, batch):
    backbone, rng = build(dataset).train(), stream(0, "noise")
    penalty, weight = backbone.dfg.critics.penalty, 10.0
    for _ in range(3):
        noted = [backbone.losses("critic", batch, rng)["penalty"].item() / weight for _ in range(2)]  # critic_steps
        mean = sum(noted) / 2
        weight *= 1.1 if mean > 1.05 else 1 / 1.1 if mean < 1.001 else 1
        assert weight != 10.0
        assert float(penalty.weight) == pytest.approx(weight)
    fixed = build(dataset, adaptive_penalty=False).train()
    for _ in range(4):
        fixed.losses("critic", batch, rng)
        backbone.losses("drg_critic", batch, rng)
    assert float(backbone.drg.critics.penalty.weight) == 10.0
    assert float(fixed.dfg.critics.penalty.weight) == 10.0


def chain_by_hand(denoiser, condition, rng):
    """x_0 from pure noise by T posterior steps, and every x̃_0 and state on the way."""
    state = torch.randn(len(condition), denoiser.feature_dim, generator=rng, dtype=condition.dtype)
    schedule, way = denoiser.schedule, []
    for t in reversed(range(schedule.steps)):
        z = torch.randn(len(condition), Z, generator=rng, dtype=condition.dtype)
        predicted = denoiser.network(state, torch.full((len(condition),), t), z, condition)
        way.append((state, z, predicted))
        noise = torch.randn(state.shape, generator=rng, dtype=condition.dtype)
        mean = schedule.from_start[t] * predicted + schedule.from_state[t] * state
        state = mean + schedule.posterior_sigma[t] * noise
    return state, way


def test_one_shot_predicts_from_noise_and_progressive_goes_through_all_steps(dataset):
    a = dataset.semantics[dataset.unseen]
    once, slowly = build(dataset), build(dataset, sampling="progressive")
    for which in ("drg", "dfg"):
        condition = torch.cat([a, torch.rand(len(a), M, dtype=a.dtype)], 1) if which == "dfg" else a
        one, other = (getattr(backbone, which).denoiser for backbone in (once, slowly))
        state, way = chain_by_hand(other, condition, stream(0, "z"))
        assert len(way) == T
        torch.testing.assert_close(one.sample(condition, stream(0, "z")), way[0][2])
        torch.testing.assert_close(other.sample(condition, stream(0, "z")), state)
        assert not torch.allclose(state, way[0][2])


def test_with_one_step_both_ways_are_the_same(dataset):
    a = dataset.semantics[dataset.unseen]
    once, slowly = (build(dataset, diffusion_steps=1, sampling=way) for way in ("one-shot", "progressive"))
    torch.testing.assert_close(
        once.drg.generate(a, stream(0, "z")), slowly.drg.generate(a, stream(0, "z")), rtol=0, atol=0
    )


@pytest.mark.parametrize("kept", [1, 2, 3, None])
def test_gradients_pass_through_the_last_steps_that_chain_gradient_says(dataset, kept):
    backbone = build(dataset, sampling="progressive", chain_gradient=kept)
    denoiser = backbone.dfg.denoiser
    condition = torch.rand(3, dataset.semantic_dim + M, dtype=torch.float64, generator=stream(0, "condition"))
    parameters = tuple(denoiser.parameters())
    found = torch.autograd.grad(denoiser.sample(condition, stream(0, "z")).square().sum(), parameters)
    with torch.no_grad():
        _, way = chain_by_hand(denoiser, condition, stream(0, "z"))
    steps = T if kept is None else kept
    state, schedule = way[T - steps][0], denoiser.schedule
    noises = _posterior_noises(denoiser, condition)
    for t in reversed(range(steps)):
        predicted = denoiser.network(state, torch.full((3,), t), way[T - 1 - t][1], condition)
        mean = schedule.from_start[t] * predicted + schedule.from_state[t] * state
        state = mean + schedule.posterior_sigma[t] * noises[T - 1 - t]
    expected = torch.autograd.grad(state.square().sum(), parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def _posterior_noises(denoiser, condition):
    """The posterior's noise at each step of a chain, in its order."""
    rng, noises = stream(0, "z"), []
    torch.randn(len(condition), denoiser.feature_dim, generator=rng, dtype=condition.dtype)
    for _ in range(T):
        torch.randn(len(condition), Z, generator=rng, dtype=condition.dtype)
        noises.append(torch.randn(len(condition), denoiser.feature_dim, generator=rng, dtype=condition.dtype))
    return noises
