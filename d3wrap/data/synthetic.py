"""A made-up world whose truth is known, with a dial for each thing that makes zero-shot recognition hard."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.splits import hold_out
from d3wrap.errors import ConfigError
from d3wrap.seeds import stream

HIDDEN = 64
WITHIN_CLASS = 0.5
"""Standard deviation of a feature within its class, before the ReLU; class means have one near 1."""
HELD_OUT = 0.2


@dataclass(frozen=True)
class SyntheticWorld:
    """A dataset and the truth behind it.

    ``clean_semantics [C, k]`` are the semantics without noise, ``class_means [C, d]`` the exact expectation of
    a class's features, and ``activations [C, d]`` what the ReLU is applied to, without within-class noise.
    """

    dataset: GZSLDataset
    clean_semantics: Tensor
    class_means: Tensor
    activations: Tensor


def synthetic(
    num_classes: int = 20,
    num_unseen: int = 5,
    feature_dim: int = 64,
    semantic_dim: int = 16,
    samples_per_class: int = 50,
    semantic_noise: float = 0.0,
    shift: float = 0.0,
    seed: int = 0,
) -> GZSLDataset:
    """Return the dataset of :func:`synthetic_world`, unscaled, without the truth."""
    return synthetic_world(
        num_classes, num_unseen, feature_dim, semantic_dim, samples_per_class, semantic_noise, shift, seed
    ).dataset


def synthetic_world(
    num_classes: int = 20,
    num_unseen: int = 5,
    feature_dim: int = 64,
    semantic_dim: int = 16,
    samples_per_class: int = 50,
    semantic_noise: float = 0.0,
    shift: float = 0.0,
    seed: int = 0,
) -> SyntheticWorld:
    """Draw a world: semantics uniform in [0, 1], features x = ReLU(f(a) + ½ ε) with f a fixed random smooth network.

    ``semantic_noise`` ≥ 0 is the standard deviation of the noise on the semantics the learner gets, in units of
    theirs. ``shift`` in [0, 1] turns unseen classes' map away from seen ones': 0 the same map, 1 an unrelated one.
    ``num_unseen`` of the class ids, drawn at random, are unseen, and 20 % of each seen class is ``test_seen``.
    Raises :class:`~d3wrap.errors.ConfigError` for a number out of range.
    """
    _check(num_classes, num_unseen, feature_dim, semantic_dim, samples_per_class, semantic_noise, shift)
    clean = torch.rand(num_classes, semantic_dim, generator=stream(seed, "semantics"))
    unseen = torch.randperm(num_classes, generator=stream(seed, "unseen"))[:num_unseen].sort().values
    activations = _random_map(clean, feature_dim, stream(seed, "map"))
    other = _random_map(clean[unseen], feature_dim, stream(seed, "shift"))
    angle = shift * math.pi / 2  # a rotation keeps the spread of the means, whatever the shift
    activations[unseen] = math.cos(angle) * activations[unseen] + math.sin(angle) * other

    labels = torch.arange(num_classes).repeat_interleave(samples_per_class)
    features = torch.randn(len(labels), feature_dim, generator=stream(seed, "features"))
    features.mul_(WITHIN_CLASS).add_(activations[labels]).relu_()
    noise = torch.randn(clean.shape, generator=stream(seed, "semantic noise"))
    is_unseen = torch.isin(labels, unseen)
    seen = labels[~is_unseen].unique()
    train, test_seen = hold_out(labels, seen, HELD_OUT, seed)
    dataset = GZSLDataset(
        name="synthetic",
        features=features,
        labels=labels,
        semantics=clean + semantic_noise * noise / math.sqrt(12),
        seen=seen,
        unseen=unseen,
        train=train,
        test_seen=test_seen,
        test_unseen=is_unseen.nonzero().squeeze(1),
        class_names=tuple(f"class {index}" for index in range(num_classes)),
        provenance={
            "features": f"synthetic, seed {seed}, shift {shift:g}",
            "split": f"{HELD_OUT:.0%} of each seen class held out",
            "semantics": f"uniform, noise {semantic_noise:g}",
        },
    )
    return SyntheticWorld(dataset, clean, _mean_of_relu(activations), activations)


def _random_map(semantics: Tensor, feature_dim: int, rng: torch.Generator) -> Tensor:
    """Apply a random network with one tanh layer, scaled so that outputs have about unit variance."""
    standard = (semantics - 0.5) * math.sqrt(12 / semantics.shape[1])
    hidden = torch.tanh(standard @ torch.randn(semantics.shape[1], HIDDEN, generator=rng))
    return hidden @ torch.randn(HIDDEN, feature_dim, generator=rng) * (1.6 / math.sqrt(HIDDEN))


def _mean_of_relu(activations: Tensor) -> Tensor:
    """Return E[ReLU(m + σε)] = m Φ(m/σ) + σ φ(m/σ)."""
    standard = activations / WITHIN_CLASS
    density = torch.exp(-(standard**2) / 2) / math.sqrt(2 * math.pi)
    return activations * torch.special.ndtr(standard) + WITHIN_CLASS * density


def _check(
    num_classes: int, num_unseen: int, feature_dim: int, semantic_dim: int, samples: int, noise: float, shift: float
) -> None:
    limits = {
        "num_classes": (num_classes, 2, math.inf),
        "num_unseen": (num_unseen, 1, num_classes - 1),
        "feature_dim": (feature_dim, 1, math.inf),
        "semantic_dim": (semantic_dim, 1, math.inf),
        "samples_per_class": (samples, 2, math.inf),
        "semantic_noise": (noise, 0, math.inf),
        "shift": (shift, 0, 1),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high or value == math.inf:
            upper = f" to {high:g}" if high < math.inf else " or more"
            raise ConfigError(f"synthetic: {name} is {value}, expected {low}{upper}")
