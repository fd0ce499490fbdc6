"""The critic of a Wasserstein GAN with its gradient penalty, in closed form and by autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Negative slope of the critic's LeakyReLU (f-CLSWGAN)."""


def initialise(network: nn.Module) -> None:
    """Draw the weights of every linear layer from N(0, 0.02²) and set biases to zero, as f-CLSWGAN does."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            nn.init.zeros_(module.bias)


class Critic(nn.Module):
    """D(x, a) = w₂·LeakyReLU(W₁[x; a] + b₁) + b₂, one hidden layer; ``[n, d]``, ``[n, k]`` → ``[n]``."""

    def __init__(self, feature_dim: int, semantic_dim: int, hidden: int) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.hidden = nn.Linear(feature_dim + semantic_dim, hidden)
        self.out = nn.Linear(hidden, 1)
        initialise(self)

    def forward(self, features: Tensor, semantics: Tensor) -> Tensor:
        """Score each feature as a feature of the class with these semantics."""
        hidden = F.leaky_relu(self.hidden(torch.cat([features, semantics], 1)), SLOPE)
        return self.out(hidden).squeeze(1)

    def input_gradient(self, features: Tensor, semantics: Tensor) -> Tensor:
        """Return ∇ₓD = W₁ᵀ(w₂ ⊙ φ'(h)), ``[n, d]``, differentiable in the weights without a second backward pass.

        φ' is piecewise constant, so it takes no part in the derivative.
        """
        with torch.no_grad():
            hidden = self.hidden(torch.cat([features, semantics], 1))
            slope = torch.where(hidden > 0, 1.0, SLOPE).to(hidden.dtype)
        return (slope * self.out.weight) @ self.hidden.weight[:, : self.feature_dim]


def interpolate(real: Tensor, generated: Tensor, rng: torch.Generator | None) -> Tensor:
    """Return one point on each line from a real to a generated feature, ``[n, d]``."""
    share = torch.rand(real.shape[0], 1, generator=rng, device=real.device, dtype=real.dtype)
    return torch.lerp(generated, real, share)


def closed_form_penalty(critic: Critic, points: Tensor, semantics: Tensor) -> Tensor:
    """WGAN-GP (Gulrajani et al. 2017, eq. 3): mean (‖∇ₓD‖ − 1)², by the critic's closed-form gradient."""
    return (critic.input_gradient(points, semantics).norm(dim=1) - 1).square().mean()


def autograd_penalty(critic: nn.Module, points: Tensor, semantics: Tensor) -> Tensor:
    """Return the same penalty for any critic, by double backward: the oracle of the closed form."""
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points, semantics).sum(), points, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()
