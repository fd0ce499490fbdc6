"""The pieces of variational autoencoders against loops, Monte Carlo and torch.distributions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from d3wrap.adapters.encoder import (
    Encoder,
    binary_cross_entropy,
    calibrated,
    kl,
    mean_squared_error,
    reconstruction,
    sample,
    squared_error,
)
from d3wrap.seeds import stream


def draw(*shape: int, name: str = "x") -> Tensor:
    return torch.randn(*shape, generator=stream(0, name), dtype=torch.float64)


def unit(*shape: int, name: str = "u") -> Tensor:
    return torch.rand(*shape, generator=stream(0, name), dtype=torch.float64)


@pytest.mark.parametrize(("hidden", "widths"), [(5, [5]), ((6, 4), [6, 4])])
def test_the_encoder_gives_mean_and_log_variance_of_features_and_semantics(hidden, widths):
    encoder = Encoder(3, 2, hidden, 4).double()
    features, semantics = draw(7, 3), draw(7, 2, name="a")
    mean, log_variance = encoder(features, semantics)
    assert mean.shape == log_variance.shape == (7, 4)
    assert [layer.out_features for layer in encoder.network.hidden] == widths
    torch.testing.assert_close(torch.cat([mean, log_variance], 1), encoder.network(features, semantics))
    for changed in ((features + 1, semantics), (features, semantics + 1)):
        assert not torch.allclose(encoder(*changed)[0], mean)
        assert not torch.allclose(encoder(*changed)[1], log_variance)


def test_a_sample_is_the_mean_and_sigma_times_the_noise_of_the_stream():
    mean, log_variance = draw(5, 3, name="m"), draw(5, 3, name="v")
    found = sample(mean, log_variance, stream(0, "noise"))
    noise = torch.randn(5, 3, generator=stream(0, "noise"), dtype=torch.float64)
    for i in range(5):
        for j in range(3):
            expected = float(mean[i, j]) + math.sqrt(math.exp(float(log_variance[i, j]))) * float(noise[i, j])
            assert float(found[i, j]) == pytest.approx(expected)


def test_samples_have_the_mean_and_variance_asked_for():
    mean, log_variance = torch.tensor([[1.5, -2.0]]), torch.tensor([[1.0, -3.0]])
    samples = sample(mean.expand(40_000, 2), log_variance.expand(40_000, 2), stream(0, "noise"))
    torch.testing.assert_close(samples.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(samples.var(0), log_variance[0].exp(), atol=0, rtol=0.03)


def test_kl_is_what_torch_distributions_say():
    mean, log_variance = draw(6, 3, name="m"), draw(6, 3, name="v")
    posterior = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros(3).double(), torch.ones(3).double()))
    torch.testing.assert_close(kl(mean, log_variance), expected.sum(1).mean())


def test_kl_is_the_mean_of_the_log_ratio_of_the_densities():
    """KL = E_q[log q(z) − log p(z)], by Monte Carlo over 20,000 samples."""
    mean, log_variance = draw(2, 3, name="m"), draw(2, 3, name="v")
    rows = [t.repeat(20_000, 1) for t in (mean, log_variance)]
    z = sample(rows[0], rows[1], stream(0, "noise"))
    log_q = -((z - rows[0]) ** 2 / rows[1].exp() + rows[1]) / 2
    log_p = -(z**2) / 2
    assert float(kl(mean, log_variance)) == pytest.approx(float((log_q - log_p).sum(1).mean()), rel=0.02)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=4))
def test_kl_is_zero_for_the_prior_alone(rows):
    mean, log_variance = torch.tensor(rows, dtype=torch.float64).unbind(1)
    away = max(abs(number) for row in rows for number in row)
    assert float(kl(mean[:, None], log_variance[:, None])) > (1e-3 * away**2 / len(rows) if away > 1e-3 else -1e-12)
    assert kl(0 * mean[:, None], 0 * mean[:, None]) == 0


def test_binary_cross_entropy_is_the_loop():
    rebuilt, features = unit(4, 3), unit(4, 3, name="x")
    total = 0.0
    for i in range(4):
        for j in range(3):
            r, x = float(rebuilt[i, j]), float(features[i, j])
            total -= x * math.log(r) + (1 - x) * math.log(1 - r)
    assert float(binary_cross_entropy(rebuilt, features)) == pytest.approx(total / 4)


def test_squared_error_is_the_loop():
    rebuilt, features = draw(4, 3), draw(4, 3, name="y")
    total = sum((float(rebuilt[i, j]) - float(features[i, j])) ** 2 for i in range(4) for j in range(3))
    assert float(squared_error(rebuilt, features)) == pytest.approx(total / 4)
    assert float(mean_squared_error(rebuilt, features)) == pytest.approx(total / 4 / 3)


def test_the_calibrated_loss_is_the_likelihood_under_the_best_variance():
    """−log N(x | x̂, σ²I) with σ² found by trying, up to d/2 (1 + log 2π)."""
    rebuilt, features = draw(4, 3), draw(4, 3, name="y")
    likelihoods = []
    for variance in torch.logspace(-1, 1, 2_000, dtype=torch.float64):
        log_density = Normal(rebuilt, variance.sqrt()).log_prob(features).sum(1).mean()
        likelihoods.append(float(log_density))
    constant = 3 / 2 * (1 + math.log(2 * math.pi))
    assert float(calibrated(rebuilt, features)) + constant == pytest.approx(-max(likelihoods), abs=1e-5)


def test_the_calibrated_loss_is_finite_where_nothing_is_left_to_learn():
    features = draw(4, 3).requires_grad_()
    loss = calibrated(features, features.detach())
    loss.backward()
    assert loss.isfinite()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_binary_cross_entropy_is_finite_at_and_beyond_zero_and_one(dtype):
    rebuilt = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0, 1.0]], dtype=dtype, requires_grad=True)
    features = torch.tensor([[0.0, 1.0, 1.0, 0.0, -0.1, 1.2]])
    loss = binary_cross_entropy(rebuilt, features)
    loss.backward()
    assert loss.isfinite()
    assert rebuilt.grad.isfinite().all()
    assert binary_cross_entropy(rebuilt[:, :2], features[:, :2]) < 0.02
    assert binary_cross_entropy(rebuilt[:, 2:4], features[:, 2:4]) > 5


@given(st.floats(-1, 2), st.floats(0, 1))
def test_features_outside_the_range_count_as_its_ends(feature, rebuilt):
    """Without that, the loss has no lower bound where x > 1 or x < 0."""
    found = binary_cross_entropy(torch.tensor([[rebuilt]]), torch.tensor([[feature]]))
    at_the_end = binary_cross_entropy(torch.tensor([[rebuilt]]), torch.tensor([[min(max(feature, 0.0), 1.0)]]))
    assert torch.equal(found, at_the_end)
    assert found >= 0


def test_a_nearly_saturated_sigmoid_still_learns():
    """The gradient on the logit is r − x, also where r is far below the resolution near 1."""
    logit = torch.tensor([[-30.0, 10.0]], requires_grad=True)
    binary_cross_entropy(logit.sigmoid(), torch.tensor([[1.0, 0.0]])).backward()
    torch.testing.assert_close(logit.grad, torch.tensor([[-1.0, 1.0]]), atol=1e-3, rtol=0)


def test_gradients_are_those_of_finite_differences():
    mean, log_variance = (draw(3, 2, name=name).requires_grad_() for name in "mv")
    rebuilt, features = unit(3, 2).requires_grad_(), unit(3, 2, name="x")
    assert torch.autograd.gradcheck(kl, (mean, log_variance))
    assert torch.autograd.gradcheck(lambda m, v: sample(m, v, stream(0, "noise")), (mean, log_variance))
    assert torch.autograd.gradcheck(lambda r: binary_cross_entropy(r, features), (rebuilt,))
    for loss in (squared_error, mean_squared_error, calibrated):
        assert torch.autograd.gradcheck(loss, (rebuilt, features))


@pytest.mark.parametrize(
    ("output", "loss"), [("sigmoid", binary_cross_entropy), ("relu", squared_error), ("linear", squared_error)]
)
def test_the_reconstruction_follows_the_output(output, loss):
    rebuilt, features = unit(4, 3), unit(4, 3, name="x")
    assert torch.equal(reconstruction(rebuilt, features, output), loss(rebuilt, features))
