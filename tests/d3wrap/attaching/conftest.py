"""A small foreign world: a dataset, a generator nobody wrote for d3wrap, and its own training step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import d3wrap
from d3wrap.seeds import initialising

NOISE = 4
QUICK = {"teacher_epochs": 1, "embedding_dim": 5, "report": False}


class Foreign(nn.Module):
    """``forward(x, y)``: the names of its arguments say nothing, and both are four wide."""

    def __init__(self, noise=NOISE, semantics=4, features=7, last=None):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(noise + semantics, 9), nn.LeakyReLU(0.2), nn.Linear(9, features))
        self.last = last or nn.Identity()

    def forward(self, x, y):
        return self.last(self.net(torch.cat([x, y], 1)))


class World:
    """What a script has in scope; ``step`` is one iteration of it."""

    def __init__(self, data, network, optimizer, call=None, seed=3):
        self.data, self.network, self.optimizer = data, network, optimizer
        self.call = call or (lambda net, noise, semantics: net(noise, semantics))
        torch.manual_seed(seed)

    def batch(self, size=8):
        rows = torch.randint(len(self.data.train), (size,))
        return self.data.train_features[rows], self.data.train_labels[rows]

    def loss(self):
        features, labels = self.batch()
        noise = torch.randn(len(labels), NOISE, dtype=features.dtype)
        made = self.call(self.network, noise, self.data.semantics[labels])
        made = made["features"] if isinstance(made, dict) else made[0] if isinstance(made, tuple) else made
        return (made.flatten(1) - features).square().mean()

    def step(self):
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


@pytest.fixture
def data():
    """Six classes, two of them unseen, in float64."""
    return d3wrap.synthetic(6, 2, 7, 4, 10).to("cpu", torch.float64)


@pytest.fixture
def world(data):
    """Return a function that makes a script's world; the network and its optimizer may be another."""

    def make(network=None, optimizer=torch.optim.Adam, call=None, **options):
        with initialising(0, "foreign"):
            network = network() if network is not None else Foreign()
        network = network.double()
        options = {"lr": 0.01} | options
        return World(data, network, optimizer(network.parameters(), **options), call)

    return make


@pytest.fixture
def attach():
    """Attach with small networks, silently, and detach at the end of the test."""
    handles = []

    def attach(*args, **options):
        handles.append(d3wrap.attach(*args, **QUICK | options))
        return handles[-1]

    yield attach
    for handle in handles:
        handle.detach()


@pytest.fixture
def foreign():
    """The class of the foreign generator."""
    return Foreign


@pytest.fixture
def sampling():
    """Return a function that makes ``sample`` of a network called with noise and semantics."""

    def make(network, noise=NOISE):
        return lambda semantics: network(torch.randn(len(semantics), noise, dtype=semantics.dtype), semantics)

    return make
