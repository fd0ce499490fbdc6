"""The diffusion's schedule: golden numbers, and every distribution against Gaussians multiplied by hand."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from d3wrap.adapters.schedule import START, Schedule, TimeEmbedding
from d3wrap.errors import ConfigError
from d3wrap.seeds import stream

FOLDER = Path(os.environ.get("D3WRAP_FIXTURES") or Path(__file__).parents[1] / "data")


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "zerodiff_schedule_T4.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def close(found: Tensor, expected: Tensor) -> None:
    """The golden ᾱ were computed in single precision as 1 − (1 − ᾱ), which blurs the last by 7e-4."""
    tolerance = torch.full(found.shape, 2e-5)
    tolerance[-1] = 8e-4
    assert found.shape == expected.shape
    assert bool(((found - expected).abs() <= tolerance * expected.abs() + 2e-7).all()), (found, expected)


def test_four_steps_have_the_golden_coefficients_of_the_diffusion(golden):
    schedule = Schedule(4)
    close(schedule.signal, golden["prior.sqrt_alphas_bar"])
    close(schedule.sigma, golden["prior.sigmas_bar"])
    # The golden numbers count a step before the first, of variance 1e-8.
    close(schedule.step_signal, golden["prior.sqrt_alphas"][1:])
    close(schedule.step_sigma, golden["prior.sigmas"][1:])
    close(schedule.step_sigma, golden["prior.sqrt_betas"][1:])
    close(schedule.step_sigma.square(), golden["prior.betas"][1:])
    close(1 / schedule.step_signal, golden["prior.oneover_sqrta"][1:])
    close(schedule.step_sigma.square() / schedule.sigma[1:], golden["prior.mab_over_sqrtmab"][1:])


def test_four_steps_have_the_golden_coefficients_of_the_posterior(golden):
    schedule = Schedule(4)
    close(schedule.from_start, golden["posterior.posterior_mean_coef1"])
    close(schedule.from_state, golden["posterior.posterior_mean_coef2"])
    close(schedule.posterior_sigma.square(), golden["posterior.posterior_variance"])
    close(schedule.step_sigma.square(), golden["posterior.betas"])
    close(schedule.step_signal.square(), golden["posterior.alphas"])
    close(schedule.signal[1:].square(), golden["posterior.alphas_bar"])
    close(schedule.signal[:-1].square(), golden["posterior.alphas_bar_prev"])


STEPS = st.integers(1, 50)
BETAS = st.tuples(st.floats(0.01, 5), st.floats(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def exact(steps: int, betas: tuple[float, float]) -> Schedule:
    return Schedule(steps, beta_min=betas[0], beta_max=betas[1], dtype=torch.float64)


@given(STEPS, BETAS)
def test_the_signal_decays_by_the_integral_of_beta(steps, betas):
    schedule, (low, high) = exact(steps, betas), betas
    for level in range(steps + 1):
        end = START + level / steps * (1 - START)
        pieces = [START + (k + 0.5) / 2000 * (end - START) for k in range(2000)]
        # The rule of midpoints is exact for a straight line.
        integral = sum(low + s * (high - low) for s in pieces) * (end - START) / 2000
        assert float(schedule.signal[level]) == pytest.approx(math.exp(-integral / 2), rel=1e-9)
        assert float(schedule.signal[level] ** 2 + schedule.sigma[level] ** 2) == pytest.approx(1)


@given(STEPS, BETAS)
def test_one_jump_is_the_chain_of_steps(steps, betas):
    schedule = exact(steps, betas)
    mean, variance = 1.0, 0.0
    for step in range(steps):
        mean *= float(schedule.step_signal[step])
        variance = float(schedule.step_signal[step]) ** 2 * variance + float(schedule.step_sigma[step]) ** 2
        assert float(schedule.signal[step + 1]) == pytest.approx(mean, rel=1e-9)
        assert float(schedule.sigma[step + 1]) ** 2 == pytest.approx(variance, rel=1e-9)


@given(STEPS, BETAS, st.data())
def test_the_posterior_is_the_product_of_two_gaussians(steps, betas, data):
    schedule = exact(steps, betas)
    step = data.draw(st.integers(1, steps - 1) if steps > 1 else st.just(0))
    start, state = data.draw(st.floats(-3, 3)), data.draw(st.floats(-3, 3))
    if step == 0:
        return
    # q(x_t | x_{t+1}, x_0) ∝ q(x_{t+1} | x_t) q(x_t | x_0): as functions of x_t their precisions add up.
    a, b = float(schedule.step_signal[step]), float(schedule.step_sigma[step]) ** 2
    precision_of_step = a**2 / b
    precision_of_jump = 1 / float(schedule.sigma[step]) ** 2
    variance = 1 / (precision_of_step + precision_of_jump)
    mean = variance * (precision_of_step * state / a + precision_of_jump * float(schedule.signal[step]) * start)
    found = schedule.posterior(
        *(torch.tensor([[value]], dtype=torch.float64) for value in (start, state)), torch.tensor([step])
    )
    assert float(found[0]) == pytest.approx(mean, rel=1e-7, abs=1e-9)
    assert float(found[1]) ** 2 == pytest.approx(variance, rel=1e-7)


@given(STEPS, BETAS)
def test_the_last_step_back_gives_the_start_itself(steps, betas):
    schedule = exact(steps, betas)
    start, state = torch.randn(2, 5, 3, dtype=torch.float64, generator=stream(0, "test"))
    assert torch.equal(schedule.step_back(start, state, torch.zeros(5, dtype=torch.long), stream(1, "test")), start)


@given(STEPS, BETAS)
def test_going_back_from_a_true_start_undoes_the_step(steps, betas):
    """Σ over x_{t+1} of the posterior is the jump: mean and variance of x_t given x_0, by total expectation."""
    schedule = exact(steps, betas)
    mean = schedule.from_start + schedule.from_state * schedule.signal[1:]
    variance = schedule.posterior_sigma.square() + (schedule.from_state * schedule.sigma[1:]).square()
    torch.testing.assert_close(mean, schedule.signal[:-1])
    torch.testing.assert_close(variance, schedule.sigma[:-1].square())


def test_each_row_is_drawn_at_its_own_step():
    schedule = Schedule(4, dtype=torch.float64)
    steps = torch.tensor([2, 0, 3])
    start, noise = torch.randn(2, 3, 5, dtype=torch.float64, generator=stream(0, "test"))
    for found, expected in (
        (schedule.diffuse(start, steps + 1, stream(1, "test")), lambda i, s: (s.signal[i + 1], s.sigma[i + 1])),
        (schedule.advance(start, steps, stream(1, "test")), lambda i, s: (s.step_signal[i], s.step_sigma[i])),
        (
            schedule.step_back(start, torch.zeros_like(start), steps, stream(1, "test")),
            lambda i, s: (s.from_start[i], s.posterior_sigma[i]),
        ),
    ):
        noise = torch.randn(3, 5, dtype=torch.float64, generator=stream(1, "test"))
        for row, step in enumerate(steps):
            scale, sigma = expected(int(step), schedule)
            torch.testing.assert_close(found[row], scale * start[row] + sigma * noise[row])


def test_a_pair_is_a_jump_and_then_a_step():
    schedule = Schedule(4, dtype=torch.float64)
    start = torch.randn(6, 5, dtype=torch.float64, generator=stream(0, "test"))
    steps = torch.tensor([0, 1, 2, 3, 0, 2])
    state, later = schedule.pair(start, steps, stream(1, "test"))
    rng = stream(1, "test")
    expected = schedule.diffuse(start, steps, rng)
    assert torch.equal(state, expected)
    assert torch.equal(later, schedule.advance(expected, steps, rng))
    assert torch.equal(state[steps == 0], start[steps == 0])


def test_steps_are_drawn_uniformly():
    drawn = Schedule(4).draw_steps(4000, stream(0, "test"))
    counts = torch.bincount(drawn, minlength=4)
    assert drawn.dtype == torch.long
    assert len(counts) == 4
    assert int((counts - 1000).abs().max()) < 110  # four standard deviations


def test_kappa_is_what_is_lost_of_the_data():
    kappa = Schedule(4).kappa
    assert float(kappa[0]) == 0
    assert bool((kappa.diff() > 0).all())
    assert float(kappa[-1]) == pytest.approx(1 - 0.00657405, abs=5e-6)


def test_buffers_follow_the_module_and_are_single_precision_by_default():
    schedule = Schedule(3)
    assert {buffer.dtype for buffer in schedule.buffers()} == {torch.float32}
    assert {buffer.dtype for buffer in schedule.double().buffers()} == {torch.float64}
    assert set(schedule.state_dict()) == {name for name, _ in schedule.named_buffers()}


def test_the_time_embedding_is_sines_and_cosines():
    table = TimeEmbedding(5, 6, dtype=torch.float64)(torch.tensor([3, 0, 4, 3]))
    frequencies = [1.0, 0.01, 0.0001]
    for row, step in zip(table, (3, 0, 4, 3), strict=True):
        expected = [math.sin(step * f) for f in frequencies] + [math.cos(step * f) for f in frequencies]
        assert row.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: Schedule(0), "steps of the diffusion: expected 1 or more, found 0"),
        (lambda: Schedule(beta_min=0.0), "expected 0 < beta_min <= beta_max, found 0.0, 20.0"),
        (lambda: Schedule(beta_min=2.0, beta_max=1.0), "expected 0 < beta_min <= beta_max, found 2.0, 1.0"),
        (lambda: TimeEmbedding(4, 7), "expected an even number, 4 or more, found 7"),
        (lambda: TimeEmbedding(4, 2), "expected an even number, 4 or more, found 2"),
    ],
)
def test_what_makes_no_schedule_is_refused(build, fragment):
    with pytest.raises(ConfigError, match=fragment):
        build()
