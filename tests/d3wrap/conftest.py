"""Fixtures for tests of plugins and of enhancers."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import d3wrap
from d3wrap.manager import load_plugins
from d3wrap.seeds import initialising


class TinyGenerator(nn.Module):
    """A generator that keeps the semantics it was given."""

    def __init__(self, semantic_dim, feature_dim, noise_dim=3):
        super().__init__()
        self.noise_dim = noise_dim
        self.map = nn.Linear(semantic_dim + noise_dim, feature_dim)
        self.given = []

    def generate(self, semantics, *, rng=None):
        self.given.append(semantics)
        noise = torch.randn(len(semantics), self.noise_dim, generator=rng, dtype=semantics.dtype)
        return F.softplus(self.map(torch.cat([noise, semantics], 1)))


@pytest.fixture
def tiny():
    """A dataset of six classes, two of them unseen, in float64."""
    return d3wrap.synthetic(6, 2, 7, 4, 10).to("cpu", torch.float64)


@pytest.fixture
def enhancer_of_tiny(tiny):
    """Return a function that makes an enhancer of a tiny generator; ``block`` and ``extra`` are plugins."""

    def make(*, feature_dim=7, block=(), extra=None, seed=0, dataset=tiny, **settings):
        with initialising(seed, "generator"):
            generator = TinyGenerator(4, feature_dim).double()
        plugins = load_plugins(environ={}, block=block, extra=extra)
        settings = {"teacher_epochs": 1, "embedding_dim": 5, "student_lr": 1e-2} | settings
        return d3wrap.enhance(generator, dataset, seed=seed, plugins=plugins, **settings)

    return make


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a plugin: a module and a distribution with entry points, on ``sys.path``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    modules = []

    def install(name, source, *, distribution=None, version="1.0", module=None, group="d3wrap", target=""):
        distribution = distribution or f"{name}-dist"
        module = module or f"installed_{name}_{len(modules)}"
        modules.append(module)
        (site / f"{module}.py").write_text(source)
        metadata = site / f"{distribution}-{version}.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        with (metadata / "entry_points.txt").open("a") as stream:
            stream.write(f"[{group}]\n{name} = {module}{target}\n")
        return module

    yield install
    for module in modules:
        sys.modules.pop(module, None)
