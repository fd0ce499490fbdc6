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
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Critic(nn.Module):
    """D(x, a) = w₂·LeakyReLU(W₁[x; a] + b₁) + b₂, one hidden layer; ``[n, d]``, ``[n, k]`` → ``[n]``.

    W₁ is kept as two layers, so that the semantics are projected once however many features are scored with them.
    """

    def __init__(self, feature_dim: int, semantic_dim: int, hidden: int) -> None:
        super().__init__()
        self.from_features = nn.Linear(feature_dim, hidden)
        self.from_semantics = nn.Linear(semantic_dim, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)
        initialise(self)

    def forward(self, features: Tensor, semantics: Tensor) -> Tensor:
        """Score each feature as a feature of the class with these semantics."""
        return self.score(self.from_features(features) + self.from_semantics(semantics))

    def score(self, hidden: Tensor) -> Tensor:
        """Return D from the hidden layer before its nonlinearity, ``[n, h]`` → ``[n]``."""
        return self.out(F.leaky_relu(hidden, SLOPE)).squeeze(1)

    def input_gradient(self, hidden: Tensor) -> Tensor:
        """Return ∇ₓD = W₁ᵀ(w₂ ⊙ φ'(h)), ``[n, h]`` → ``[n, d]``, differentiable in the weights in one backward pass.

        φ' is piecewise constant, so ``hidden`` takes no part in the derivative.
        """
        slope = torch.full_like(hidden, SLOPE).masked_fill_(hidden > 0, 1.0)
        return (slope * self.out.weight) @ self.from_features.weight

    def compare(
        self, real: Tensor, generated: Tensor, semantics: Tensor, rng: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of real and of generated features ``[n]``, and the gradient penalty between them.

        The hidden layer is linear in the feature, so its value at a point between two features is the point between
        their values: the penalty costs no pass of its own through W₁.
        """
        projected = self.from_semantics(semantics)
        on_real, on_generated = (h + projected for h in self.from_features(torch.cat([real, generated])).chunk(2))
        between = interpolate(on_real.detach(), on_generated.detach(), rng)
        return self.score(on_real), self.score(on_generated), penalty(self.input_gradient(between))


def interpolate(real: Tensor, generated: Tensor, rng: torch.Generator | None) -> Tensor:
    """Return one point on each line from a generated to a real row, uniformly drawn, ``[n, d]``."""
    share = torch.rand(real.shape[0], 1, generator=rng, device=real.device, dtype=real.dtype)
    return torch.lerp(generated, real, share)


def penalty(gradient: Tensor) -> Tensor:
    """WGAN-GP (Gulrajani et al. 2017, eq. 3): mean (‖∇ₓD‖ − 1)² of gradients ``[n, d]``."""
    return (gradient.norm(dim=1) - 1).square().mean()


def autograd_penalty(critic: nn.Module, points: Tensor, semantics: Tensor) -> Tensor:
    """Return the penalty of any critic at ``points [n, d]``, by double backward: the oracle of the closed form."""
    points = points.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points, semantics).sum(), points, create_graph=True)
    return penalty(gradient)
