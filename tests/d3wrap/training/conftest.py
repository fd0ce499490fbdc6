"""A backbone that records what the host loop gives it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import d3wrap
from d3wrap.generator import Phase
from d3wrap.manager import load_plugins
from d3wrap.seeds import initialising
from d3wrap.training.loop import fit

OBJECTIVES = ("classify", "id2sd", "o2dbd")


class Spy(d3wrap.Backbone):
    """Two phases: ``inner`` trains a part of its own, ``outer`` is the generator's. It keeps every batch and noise."""

    name = "spy"

    def __init__(self, dataset, *, repeats=(2, 1), enhanced=("outer",), fault=None, network=None):
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.repeats, self.enhanced, self.fault = repeats, enhanced, fault
        self.inner = nn.Linear(self.feature_dim, 1)
        self.map = network or nn.Linear(self.semantic_dim + 3, self.feature_dim)
        self.unused = nn.Parameter(torch.ones(2))
        self.seen = []
        self.calls = {"inner": 0, "outer": 0}

    def phases(self):
        parts = {"inner": tuple(self.inner.parameters()), "outer": (*self.map.parameters(), self.unused)}
        return tuple(
            Phase(name, parts[name], lr=1e-2, repeats=repeats, enhanced=name in self.enhanced)
            for name, repeats in zip(parts, self.repeats, strict=True)
        )

    def losses(self, phase, batch, rng):
        noise = torch.randn(len(batch.labels), 3, generator=rng)
        self.seen.append((phase, batch.features.clone(), batch.labels.clone(), noise))
        self.calls[phase] += 1
        if phase == "inner":
            terms = {"score": self.inner(batch.features).square().mean()}
        else:
            terms = {"error": (self._features(batch.semantics, noise) - batch.features).square().mean()}
            terms["size"] = 1e-3 * sum(parameter.square().sum() for parameter in self.map.parameters())
        if self.fault and self.fault[:2] == (phase, self.calls[phase]):
            terms = self.fault[2](terms)
        return terms

    def generate(self, semantics, *, rng=None):
        return self._features(semantics, torch.randn(len(semantics), 3, generator=rng).to(semantics))

    def _features(self, semantics, noise):
        return F.relu(self.map(torch.cat([noise, semantics], 1)))


@pytest.fixture
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


@pytest.fixture
def spy(dataset):
    """Return a function that makes a spy; its initial weights are the same each time."""

    def make(**options: object) -> Spy:
        network = options.pop("network", None)
        with initialising(0, "generator"):
            return Spy(dataset, network=network() if network else None, **options)

    return make


@pytest.fixture
def enhancer_of(dataset):
    """Return a function that makes an enhancer; ``block`` and ``extra`` are plugins, the rest settings."""

    def make(backbone, block=(), extra=None, seed=0, **settings: object) -> d3wrap.Enhancer:
        plugins = load_plugins(environ={}, block=block, extra=extra)
        return d3wrap.enhance(
            backbone, dataset, seed=seed, plugins=plugins, **({"teacher_epochs": 1, "embedding_dim": 8} | settings)
        )

    return make


@pytest.fixture
def train(dataset):
    """Return a function that fits a backbone for a few steps and returns it."""

    def run(backbone, enhancer=None, *, steps=5, batch_size=8, seed=0, **options: object):
        fit(backbone, dataset, steps=steps, batch_size=batch_size, seed=seed, enhancer=enhancer, **options)
        return backbone

    return run


@pytest.fixture
def assert_same_state():
    """Assert that two networks are equal bit for bit, or that some tensor differs."""

    def check(one: nn.Module, other: nn.Module, same: bool = True) -> None:
        a, b = one.state_dict(), other.state_dict()
        assert a.keys() == b.keys()
        different: list[str] = [name for name in a if not _equal(a[name], b[name])]
        assert bool(different) != same, different

    return check


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other)
