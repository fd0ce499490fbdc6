"""Any denoising network as a chain: how it is called, what it generates, and where its gradients stop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.denoiser import DenoisingChain, argument_order
from d3wrap.adapters.schedule import Schedule
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.seeds import initialising, stream

NOISE, SEMANTICS, FEATURES = 2, 4, 3


class Net(nn.Module):
    """A denoiser as one finds them; steps enter by an embedding of its own."""

    def __init__(self, steps: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(steps, 2)
        self.net = nn.Sequential(nn.Linear(FEATURES + 2 + NOISE + SEMANTICS, 5), nn.Tanh(), nn.Linear(5, FEATURES))

    def forward(self, x_t: Tensor, t: Tensor, z: Tensor, att: Tensor) -> object:
        return self.net(torch.cat([x_t, self.embed(t), z, att], 1))


class Swapped(Net):
    def forward(self, z: Tensor, att: Tensor, x_t: Tensor, t: Tensor) -> object:
        return super().forward(x_t, t, z, att), "something else"


class Nameless(Net):
    def forward(self, p: Tensor, q: Tensor, r: Tensor, s: Tensor) -> object:
        return super().forward(p, q, r, s)


class Wide(Net):
    def forward(self, x_t: Tensor, t: Tensor, z: Tensor, att: Tensor) -> object:
        out = super().forward(x_t, t, z, att)
        assert isinstance(out, Tensor)
        return torch.cat([out, out], 1)


def chain_of(network: type[Net] = Net, steps: int = 4, **options: object) -> DenoisingChain:
    with initialising(0, "chain"):
        options = {"noise_dim": NOISE, "feature_dim": FEATURES, "gives": "centred", **options}
        return DenoisingChain(network(steps), Schedule(steps, dtype=torch.float64), **options).double()


@pytest.fixture
def semantics():
    return torch.randn(5, SEMANTICS, dtype=torch.float64, generator=stream(0, "test"))


def naive_chain(chain: DenoisingChain, semantics: Tensor, detached_before: int | None = None) -> Tensor:
    """The chain row by row and step by step, from the closed form of the posterior of two Gaussians.

    The state that goes into step ``detached_before`` is cut off from what came before it.
    """
    rng, schedule = stream(1, "noise"), chain.schedule
    state = torch.randn(len(semantics), FEATURES, dtype=torch.float64, generator=rng)
    for t in reversed(range(schedule.steps)):
        if t == detached_before:
            state = state.detach()
        noise = torch.randn(len(semantics), NOISE, dtype=torch.float64, generator=rng)
        fresh = torch.randn(len(semantics), FEATURES, dtype=torch.float64, generator=rng)
        rows = []
        for i in range(len(semantics)):
            start = chain.network(state[i : i + 1], torch.tensor([t]), noise[i : i + 1], semantics[i : i + 1])[0]
            beta, before = float(schedule.step_sigma[t]) ** 2, float(schedule.signal[t]) ** 2
            after = before * (1 - beta)
            mean = (before**0.5 * beta * start + (1 - beta) ** 0.5 * (1 - before) * state[i]) / (1 - after)
            rows.append(mean + (beta * (1 - before) / (1 - after)) ** 0.5 * fresh[i])
        state = torch.stack(rows)
    return state * chain.centring.scale + chain.centring.shift


def test_it_generates_by_the_whole_chain(semantics):
    chain = chain_of()
    chain.centring.fit(torch.rand(20, FEATURES, dtype=torch.float64, generator=stream(2, "test")), 0.5)
    torch.testing.assert_close(chain.generate(semantics, rng=stream(1, "noise")), naive_chain(chain, semantics))


@pytest.mark.parametrize("kept", [1, 2, 3, 4, None])
def test_gradients_flow_through_the_last_steps_alone(semantics, kept):
    chain = chain_of(chain_gradient=kept)
    parameters = list(chain.network.parameters())
    found = chain.generate(semantics, rng=stream(1, "noise"))
    # The last step of the chain is step 0, and before the first kept one the state is a constant.
    expected = naive_chain(chain, semantics, None if kept is None else kept - 1)
    torch.testing.assert_close(found, expected)
    weight = torch.randn(found.shape, dtype=torch.float64, generator=stream(3, "test"))
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), parameters),
        torch.autograd.grad((expected * weight).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_shorter_gradient_is_another_one(semantics):
    gradients = [
        torch.autograd.grad(
            (chain := chain_of(chain_gradient=kept)).generate(semantics, rng=stream(1, "noise")).sum(),
            chain.network.net[0].weight,
        )[0]
        for kept in (1, 2, 4)
    ]
    assert not torch.allclose(gradients[0], gradients[1])
    assert not torch.allclose(gradients[1], gradients[2])


def test_the_gradient_through_the_chain_is_that_of_its_values(semantics):
    chain = chain_of(steps=3)
    assert torch.autograd.gradcheck(
        lambda a: chain.generate(a, rng=stream(1, "noise")), semantics[:2].clone().requires_grad_()
    )


def test_without_gradients_it_makes_none(semantics):
    with torch.no_grad():
        assert not chain_of(chain_gradient=2).generate(semantics).requires_grad


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (Swapped, {}),
        (Nameless, {"order": "state, step, noise, semantics"}),
        (Swapped, {"call": lambda network, x_t, t, z, a: network(z, a, x_t, t)}),
        (Swapped, {"order": " noise,semantics, state,step"}),
    ],
)
def test_networks_are_called_by_name_by_order_or_by_a_function(semantics, network, options):
    found = chain_of(network, **options).generate(semantics, rng=stream(1, "noise"))
    assert torch.equal(found, chain_of().generate(semantics, rng=stream(1, "noise")))


def test_a_network_may_predict_features(semantics):
    chain = chain_of(gives="features")
    chain.centring.fit(torch.rand(20, FEATURES, dtype=torch.float64, generator=stream(2, "test")), 0.5)
    state = torch.zeros(5, FEATURES, dtype=torch.float64)
    step = torch.zeros(5, dtype=torch.long)
    found = chain.centring.back(chain.predict(state, step, semantics, stream(1, "noise")))
    noise = torch.randn(5, NOISE, dtype=torch.float64, generator=stream(1, "noise"))
    torch.testing.assert_close(found, chain.network(state, step, noise, semantics))


def test_names_tell_the_order():
    assert argument_order(Net()) == ("state", "step", "noise", "semantics")
    assert argument_order(Swapped()) == ("noise", "semantics", "state", "step")


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: chain_of(Nameless), r"in Nameless.forward\(p, q, r, s\): give order='state, step, noise, semantics'"),
        (lambda: chain_of(order="noise, semantics"), "order: expected state, step, noise, semantics in any order"),
        (lambda: chain_of(noise_dim=0), "noise_dim: expected 1 or more, found 0"),
        (lambda: chain_of(gives="pictures"), "gives: expected 'centred' or 'features', found 'pictures'"),
        (lambda: chain_of(chain_gradient=5), "chain_gradient: expected 1 to 4, .* found 5"),
        (lambda: chain_of(chain_gradient=0), "chain_gradient: expected 1 to 4, .* found 0"),
    ],
)
def test_options_out_of_range_are_refused(build, fragment):
    with pytest.raises(ConfigError, match=fragment):
        build()


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: chain_of(Wide), r"Wide gave \[2, 6\] for states \[2, 3\]: .* last layer has 3 outputs"),
        (lambda: chain_of(noise_dim=7), r"noise \[2, 7\] and semantics \[2, 4\]: .* Give the noise_dim"),
        (
            lambda: DenoisingChain(Net(2), Schedule(4), noise_dim=NOISE, feature_dim=FEATURES),
            r"Net cannot be called with \(state, step, noise, semantics\) of state \[2, 3\], step \[0, 3\]",
        ),
    ],
)
def test_a_trial_names_the_sizes_that_do_not_fit(build, fragment):
    with pytest.raises(ShapeError, match=fragment):
        build().try_out(d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 10))


def test_a_trial_leaves_no_trace():
    chain = chain_of()
    before = torch.random.get_rng_state()
    chain.try_out(d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 10))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert chain.training
