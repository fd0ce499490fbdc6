"""The critic's closed forms against autograd, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d3wrap.adapters.critic import Critic, autograd_penalty, initialise, interpolate, penalty

SIZES = {
    "rows": st.integers(1, 6),
    "width": st.integers(1, 7),
    "semantics": st.integers(1, 4),
    "hidden": st.integers(1, 9),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=rng(seed))


def critic_of(width: int, semantics: int, hidden: int) -> Critic:
    critic = Critic(width, semantics, hidden).double()
    for index, parameter in enumerate(critic.parameters()):  # the initial 0.02 would hide errors in small numbers
        parameter.data = normal(*parameter.shape, seed=index)
    return critic


def assert_equal_gradients(critic: Critic, found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    parameters = list(critic.parameters())
    for one, other in zip(
        *(torch.autograd.grad(v, parameters, allow_unused=True, materialize_grads=True) for v in (found, expected)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


@given(**SIZES)
def test_the_score_is_the_formula(rows, width, semantics, hidden):
    critic, x, a = critic_of(width, semantics, hidden), normal(rows, width, seed=1), normal(rows, semantics, seed=2)
    weight = torch.cat([critic.from_features.weight, critic.from_semantics.weight], 1)
    for i in range(rows):
        h = weight @ torch.cat([x[i], a[i]]) + critic.from_features.bias
        expected = critic.out.weight[0] @ torch.where(h > 0, h, 0.2 * h) + critic.out.bias[0]
        torch.testing.assert_close(critic(x, a)[i], expected)


@given(**SIZES)
def test_the_input_gradient_and_its_penalty_are_autograds(rows, width, semantics, hidden):
    critic, x, a = critic_of(width, semantics, hidden), normal(rows, width, seed=1), normal(rows, semantics, seed=2)
    closed = critic.input_gradient(critic.from_features(x) + critic.from_semantics(a))
    points = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(critic(points, a).sum(), points)
    torch.testing.assert_close(closed, expected)
    assert_equal_gradients(critic, penalty(closed), autograd_penalty(critic, x, a))


@given(**SIZES)
def test_compare_equals_three_passes_with_points_between(rows, width, semantics, hidden):
    critic, a = critic_of(width, semantics, hidden), normal(rows, semantics, seed=2)
    real, generated = normal(rows, width, seed=3), normal(rows, width, seed=4)
    on_real, on_generated, found = critic.compare(real, generated, a, rng(5))
    share = torch.rand(rows, 1, dtype=torch.float64, generator=rng(5))
    between = share * real + (1 - share) * generated
    loss = on_generated.mean() - on_real.mean() + 10 * found
    expected = critic(generated, a).mean() - critic(real, a).mean() + 10 * autograd_penalty(critic, between, a)
    assert_equal_gradients(critic, loss, expected)
    torch.testing.assert_close(on_real, critic(real, a))
    torch.testing.assert_close(on_generated, critic(generated, a))


def test_compare_passes_gradcheck():
    critic, a = critic_of(4, 3, 5), normal(3, 3, seed=2)
    real, generated = normal(3, 4, seed=3), normal(3, 4, seed=4)

    def loss(*weights: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(critic.named_parameters()), weights, strict=True))

        class Compare(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.critic = critic

            def forward(self) -> torch.Tensor:
                return torch.cat([part.reshape(-1) for part in self.critic.compare(real, generated, a, rng(5))])

        return torch.func.functional_call(Compare(), {f"critic.{name}": w for name, w in named.items()}, ())

    assert torch.autograd.gradcheck(loss, [p.detach().requires_grad_() for p in critic.parameters()])


def test_compare_draws_from_its_stream_alone():
    critic, a = critic_of(4, 3, 5), normal(3, 3, seed=2)
    real, generated = normal(3, 4, seed=3), normal(3, 4, seed=4)
    before = torch.get_rng_state()
    values = [critic.compare(real, generated, a, rng(seed))[2] for seed in (5, 5, 6)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_points_between_lie_on_the_line(seed):
    real, generated = normal(5, 3, seed=1), normal(5, 3, seed=2)
    shares = (interpolate(real, generated, rng(seed)) - generated) / (real - generated)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))
    assert ((shares >= 0) & (shares <= 1)).all()
    assert len(shares[:, 0].unique()) == 5  # each row its own


def test_the_penalty_is_zero_at_norm_one():
    assert float(penalty(torch.tensor([[0.6, 0.8], [1.0, 0.0]]))) == pytest.approx(0, abs=1e-12)
    assert float(penalty(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))) == pytest.approx((16 + 1) / 2)


def test_weights_start_small_and_biases_at_zero():
    network = nn.Sequential(nn.Linear(100, 200), nn.Linear(200, 100, bias=False))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        initialise(network)
    assert not network[0].bias.any()
    for layer in network:
        assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
        assert math.isclose(float(layer.weight.detach().mean()), 0, abs_tol=1e-3)
