"""What variational autoencoders share: encoder, reparameterised sample, KL divergence and reconstruction losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from d3wrap.adapters.networks import ConditionalNetwork


class Encoder(nn.Module):
    """(μ, log σ²) = E([x; a]), the posterior of the latent code; ``[n, d]``, ``[n, k]`` → twice ``[n, latent]``.

    ``hidden`` are the widths of its hidden layers, one number for a single layer.
    """

    def __init__(self, feature_dim: int, semantic_dim: int, hidden: int | Sequence[int], latent_dim: int) -> None:
        super().__init__()
        widths = [hidden] if isinstance(hidden, int) else hidden
        self.network = ConditionalNetwork([feature_dim, semantic_dim], widths, 2 * latent_dim)

    def forward(self, features: Tensor, semantics: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance for each row."""
        mean, log_variance = self.network(features, semantics).chunk(2, 1)
        return mean, log_variance


def sample(mean: Tensor, log_variance: Tensor, rng: torch.Generator | None) -> Tensor:
    """Return z = μ + σ ε with ε ~ N(0, I), differentiable in both (Kingma & Welling 2014, eq. 10)."""
    noise = torch.randn(mean.shape, generator=rng, device=mean.device, dtype=mean.dtype)
    return torch.addcmul(mean, (log_variance / 2).exp(), noise)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the mean over rows of KL(N(μ, σ²) ‖ N(0, I)) in nats (Kingma & Welling 2014, app. B); → scalar."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2


def binary_cross_entropy(rebuilt: Tensor, features: Tensor) -> Tensor:
    """Return the mean over rows of −Σⱼ xⱼ log x̂ⱼ + (1 − xⱼ) log(1 − x̂ⱼ), ``[n, d]`` → scalar, at least 0 and finite.

    Both are taken at the nearest point of [0, 1], so that a test row outside the range of the training rows, or a
    sigmoid that has saturated, does no harm.
    """
    limits = torch.finfo(rebuilt.dtype)
    # The nearest numbers to 0 and to 1 whose logarithms, and gradients, are finite.
    inside = rebuilt.clamp(limits.tiny, 1 - limits.eps)
    return -torch.lerp((-inside).log1p(), inside.log(), features.clamp(0, 1).to(inside)).sum(1).mean()


def squared_error(rebuilt: Tensor, features: Tensor) -> Tensor:
    """Return the mean over rows of ‖x̂ − x‖², ``[n, d]`` → scalar."""
    return (rebuilt - features).square().sum(1).mean()


def mean_squared_error(rebuilt: Tensor, features: Tensor) -> Tensor:
    """Return the mean over rows of ‖x̂ − x‖² / d, ``[n, d]`` → scalar, as released with the CVAE of Mishra et al."""
    return (rebuilt - features).square().mean()


def calibrated(rebuilt: Tensor, features: Tensor) -> Tensor:
    """Return d/2 · log mean ‖x̂ − x‖² / d, ``[n, d]`` → scalar, of either sign.

    It is, up to a constant, the negative log-likelihood of N(x̂, σ²I) with the σ² that is best for these rows, so that
    nothing has to weigh it against the KL divergence (Rybkin, Daniilidis and Levine, σ-VAE, ICML 2021, eq. 8).
    """
    # Rebuilt exactly, the likelihood would have no upper bound.
    variance = (rebuilt - features).square().mean().clamp(min=1e-12)
    return features.shape[1] / 2 * variance.log()


RECONSTRUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "binary": binary_cross_entropy,
    "calibrated": calibrated,
    "mean-squared": mean_squared_error,
    "squared": squared_error,
}
"""Reconstruction losses by name."""


def reconstruction(rebuilt: Tensor, features: Tensor, output: str) -> Tensor:
    """Return the loss that fits what ``rebuilt`` came out of: binary cross-entropy for ``sigmoid``, else squared."""
    return RECONSTRUCTIONS["binary" if output == "sigmoid" else "squared"](rebuilt, features)
