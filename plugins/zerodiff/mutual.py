"""Mutual learning of ZeroDiff's critics: what they lose where their estimates of the Wasserstein distance differ."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Estimates(NamedTuple):
    """Each critic's score of a real row less that of the generated one, ``[n]``: its mean estimates the distance."""

    adversarial: Tensor
    diffusion: Tensor
    representation: Tensor


def paper_mutual(estimates: Estimates, steps: Tensor, kappa: Tensor, gamma: float) -> Tensor:
    """Return L_mu as in the paper: E_t[κ_t^γ (|W_diff − W_adv| + |W_diff − W_rep|)] + |W_adv − W_rep|, a scalar.

    W of the first two differences is the mean over the rows at one step t, of the last over all rows; the mean over t
    counts each step by its rows. Shapes: steps ``[n]`` integers in [0, T), kappa ``[T]`` = 1 − √ᾱ_t in [0, 1]. Source:
    Ye et al., ICLR 2025; that the means are taken step by step is how we read W under a κ that depends on t.
    """
    member = F.one_hot(steps, len(kappa)).to(kappa)
    count = member.sum(0)
    adversarial, diffusion, representation = (member.T @ e / count.clamp(min=1) for e in estimates)
    apart = (diffusion - adversarial).abs() + (diffusion - representation).abs()
    overall = (estimates.adversarial.mean() - estimates.representation.mean()).abs()
    return (count / len(steps)) @ (kappa**gamma * apart) + overall


def released_mutual(estimates: Estimates, signal: Tensor, gamma: float) -> Tensor:
    """Return L_mu as the authors' code has it, a scalar: each critic learns from the others as they stand.

    Mean over rows of s^γ (d(W_adv, W_diff) + d(W_rep, W_diff)) + d(W_adv, W_rep), where d(a, b) = (a − sg b)² +
    (sg a − b)² and sg stops the gradient. Shapes: s ``[n]``, the signal √ᾱ left in the less noisy of a row's two
    states. Source: the code released with Ye et al., ICLR 2025.
    """
    weight = signal**gamma
    with_diffusion = _both_ways(estimates.adversarial, estimates.diffusion) + _both_ways(
        estimates.representation, estimates.diffusion
    )
    return (weight * with_diffusion + _both_ways(estimates.adversarial, estimates.representation)).mean()


def _both_ways(a: Tensor, b: Tensor) -> Tensor:
    return (a - b.detach()).square() + (a.detach() - b).square()
