"""ZeroDiff's mutual learning, in both forms, against its definition in plain loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.plugins.zerodiff.mutual import Estimates, paper_mutual, released_mutual
from d3wrap.seeds import stream

KAPPA = [0.28, 0.72, 0.94, 0.99]


def estimates(n: int, seed: int) -> Estimates:
    rng = stream(seed, "estimates")
    return Estimates(*(3 * torch.randn(n, generator=rng, dtype=torch.float64) for _ in range(3)))


def drawn_steps(n: int, seed: int) -> torch.Tensor:
    return torch.randint(len(KAPPA), (n,), generator=stream(seed, "steps"))


def naive_paper(e: Estimates, steps: torch.Tensor, gamma: float) -> float:
    """E_t[κ_t^γ (|W_diff − W_adv| + |W_diff − W_rep|)] + |W_adv − W_rep|, W of a step from the rows at that step."""
    total = 0.0
    for t, kappa in enumerate(KAPPA):
        rows = [i for i in range(len(steps)) if steps[i] == t]
        if rows:
            adv, diff, rep = (sum(float(w[i]) for i in rows) / len(rows) for w in e)
            total += len(rows) / len(steps) * kappa**gamma * (abs(diff - adv) + abs(diff - rep))
    adv, _, rep = (sum(map(float, w)) / len(w) for w in e)
    return total + abs(adv - rep)


def naive_released(e: Estimates, signal: torch.Tensor, gamma: float) -> float:
    total = 0.0
    for adv, diff, rep, s in zip(*e, signal, strict=True):
        weight = float(s) ** gamma
        total += weight * 2 * (float(adv - diff) ** 2 + float(rep - diff) ** 2) + 2 * float(adv - rep) ** 2
    return total / len(signal)


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.5, 2.5]))
def test_the_papers_form_is_its_definition(n, seed, gamma):
    e, steps = estimates(n, seed), drawn_steps(n, seed)
    found = paper_mutual(e, steps, torch.tensor(KAPPA, dtype=torch.float64), gamma)
    assert float(found) == pytest.approx(naive_paper(e, steps, gamma))


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.5, 2.5]))
def test_the_released_form_is_its_definition(n, seed, gamma):
    e = estimates(n, seed)
    signal = torch.rand(n, generator=stream(seed, "signal"), dtype=torch.float64)
    assert float(released_mutual(e, signal, gamma)) == pytest.approx(naive_released(e, signal, gamma))


def test_the_released_form_pulls_each_critic_to_the_others_as_they_stand():
    """With the gradient stopped on one side, d(a, b) has the gradient of one square, 2 (a − b), for a value of two."""
    signal, gamma = torch.tensor([1.0, 0.72, 0.06], dtype=torch.float64), 1.5
    adv, diff, rep = (w.requires_grad_() for w in estimates(3, 0))
    found = torch.autograd.grad(released_mutual(Estimates(adv, diff, rep), signal, gamma), [adv, diff, rep])
    s = signal**gamma
    expected = [
        2 * (s * (adv - diff) + adv - rep),
        2 * s * (diff - adv + diff - rep),
        2 * (s * (rep - diff) + rep - adv),
    ]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other / 3)


def test_the_papers_form_has_the_gradient_of_its_value():
    steps, kappa = torch.tensor([0, 0, 3, 1]), torch.tensor(KAPPA, dtype=torch.float64)
    parts = [w.requires_grad_() for w in estimates(4, 1)]
    assert torch.autograd.gradcheck(lambda *e: paper_mutual(Estimates(*e), steps, kappa, 1.5), parts)


@pytest.mark.parametrize("steps", [[0, 1, 2, 3], [2, 2, 2, 2]])
def test_critics_that_agree_lose_nothing(steps):
    one = estimates(4, 2).adversarial
    e = Estimates(one, one, one)
    assert float(paper_mutual(e, torch.tensor(steps), torch.tensor(KAPPA, dtype=torch.float64), 1.5)) == 0
    assert float(released_mutual(e, torch.ones(4, dtype=torch.float64), 1.5)) == 0


def test_noise_weighs_the_diffusion_critic_more_in_the_paper_and_less_in_the_released_code():
    apart = Estimates(torch.zeros(1), torch.ones(1), torch.zeros(1))
    signal = torch.tensor([1.0, 0.72, 0.28, 0.06])
    paper = [float(paper_mutual(apart, torch.tensor([t]), torch.tensor(KAPPA), 1.5)) for t in range(4)]
    released = [float(released_mutual(apart, signal[t : t + 1], 1.5)) for t in range(4)]
    assert paper == sorted(set(paper))
    assert released == sorted(set(released), reverse=True)
