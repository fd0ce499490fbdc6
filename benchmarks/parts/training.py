"""What D³ adds to training, and what the closed-form penalty saves of a critic step, at f-CLSWGAN size."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

import d3wrap
from d3wrap.adapters.critic import autograd_penalty, interpolate
from d3wrap.adapters.gan import GANBackbone
from d3wrap.data import GZSLDataset
from d3wrap.generator import Backbone, RealBatch
from d3wrap.seeds import stream
from d3wrap.training.loop import fit
from d3wrap.training.optimizer import adam
from parts.clock import seconds
from parts.sizes import Sizes, own_plugins


@dataclass(frozen=True)
class Pair:
    """Median seconds of two things measured in turn."""

    first: float
    second: float

    @property
    def ratio(self) -> float:
        """How often the first fits into the second."""
        return self.second / self.first


def iteration(
    build: Callable[[], Backbone], dataset: GZSLDataset, batch_size: int, rounds: int, counted: int = 3
) -> Pair:
    """Return seconds of one iteration of the host loop: baseline first, enhanced by default settings second.

    Each round counts ``counted`` iterations of each arm, in turn, after one that warms up. Stages are cut to one step.
    """
    plain, other = build(), build()
    for backbone in (plain, other):
        stages = [replace(stage, steps=1) for stage in backbone.stages()]
        backbone.stages = lambda stages=stages: stages  # type: ignore[method-assign]
    # What the teacher knows does not change what a step costs.
    enhancer = d3wrap.enhance(other, dataset, plugins=own_plugins(), teacher_epochs=1)
    interval = 20 if dataset.features.is_cuda else 1  # each waits for the device once, at its end

    def iterations(backbone: Backbone, enhancer: d3wrap.Enhancer | None) -> list[float]:
        ends: list[float] = []
        fit(
            backbone,
            dataset,
            steps=(counted + 1) * interval,
            batch_size=batch_size,
            seed=0,
            enhancer=enhancer,
            log_every=interval,
            on_log=lambda record: ends.append(record.seconds),
        )
        # The first interval warms up: optimizers allocate their state in it.
        ends = ends[len(backbone.stages()) :]
        return [(end - start) / interval for start, end in pairwise(ends)]

    first, second = [], []
    for _ in range(rounds):
        first += iterations(plain, None)
        second += iterations(other, enhancer)
    return Pair(statistics.median(first), statistics.median(second))


@dataclass(frozen=True)
class CriticResult:
    """Seconds of a critic step, closed form first, autograd second; and their gradients' relative difference."""

    pair: Pair
    difference: float


def critic_step(sizes: Sizes, device: torch.device, rounds: int) -> CriticResult:
    """Measure one critic step with Adam, with the penalty in closed form and by double backward, in turn."""
    dataset = sizes.dataset().to(device)
    rows = torch.arange(sizes.batch_size, device=device) % len(dataset.train)
    labels = dataset.train_labels[rows]
    batch = RealBatch(dataset.train_features[rows], labels, dataset.semantics[labels])
    closed = CriticStep(clswgan(sizes, dataset), closed_form, batch)
    double = CriticStep(clswgan(sizes, dataset), by_autograd, batch)
    found, expected = (torch.cat([g.flatten() for g in side.run()]) for side in (closed, double))
    difference = float((found - expected).norm() / expected.norm())
    times = [(seconds(closed.run, device), seconds(double.run, device)) for _ in range(3 * rounds)]
    first, second = zip(*times, strict=True)
    return CriticResult(Pair(statistics.median(first), statistics.median(second)), difference)


Losses = Callable[[GANBackbone, RealBatch, torch.Generator], Tensor]


def closed_form(backbone: GANBackbone, batch: RealBatch, rng: torch.Generator) -> Tensor:
    """Return the critic's loss as the backbone computes it."""
    return torch.stack(list(backbone.losses("critic", batch, rng).values())).sum()


def by_autograd(backbone: GANBackbone, batch: RealBatch, rng: torch.Generator) -> Tensor:
    """Return the same loss as WGAN-GP is usually written: the critic differentiated by its input, then again."""
    with torch.no_grad():
        generated = backbone.generate(batch.semantics, rng=rng)
    points = interpolate(batch.features, generated, rng)
    on_real, on_generated = (backbone.critic(x, batch.semantics).mean() for x in (batch.features, generated))
    return on_generated - on_real + backbone.penalty_weight * autograd_penalty(backbone.critic, points, batch.semantics)


class CriticStep:
    """A critic with its optimizer, a batch, and how its loss is computed."""

    def __init__(self, backbone: GANBackbone, losses: Losses, batch: RealBatch) -> None:
        self.backbone, self.losses, self.batch = backbone, losses, batch
        self.parameters = list(backbone.critic.parameters())
        self.optimizer = adam(self.parameters, lr=backbone.lr)
        self.noise = stream(0, "noise", batch.features.device)

    def run(self) -> list[Tensor]:
        """Step once; return the gradients."""
        loss = self.losses(self.backbone, self.batch, self.noise)
        gradients = torch.autograd.grad(loss, self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        return list(gradients)


def clswgan(sizes: Sizes, dataset: GZSLDataset) -> GANBackbone:
    """Build an untrained f-CLSWGAN of these sizes."""
    settings = {"hidden": sizes.hidden, "critic_steps": sizes.critic_steps}
    plugins = own_plugins()
    backbone = d3wrap.build_generator("clswgan", dataset, preset="paper", settings=settings, plugins=plugins)
    if not isinstance(backbone, GANBackbone):
        raise TypeError(f"clswgan is a {type(backbone).__name__}, expected a GANBackbone")
    return backbone
