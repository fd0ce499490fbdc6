"""An attachment leaves no trace in a script: paused, of weight 0, or taken away again."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

STEPS = 50
NOTHING = {"generator_weights": {"id2sd": 0.0, "o2dbd": 0.0, "classify": 0.0}}


class Modes(nn.Module):
    """Everything that keeps state: running statistics, dropout, a buffer it writes to, draws of three libraries."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 9), nn.BatchNorm1d(9), nn.Dropout(0.3), nn.ReLU(), nn.Linear(9, 7))
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x, y):
        self.calls += 1
        jitter = float(np.random.rand()) + random.random()  # noqa: NPY002
        return self.net(torch.cat([x, y], 1)) + 1e-3 * jitter


def trace(one):
    """Return everything of a world that a run leaves behind, to the last bit."""
    return (
        [p.detach().clone() for p in one.network.state_dict().values()],
        [v.clone() for state in one.optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)],
        torch.get_rng_state(),
        torch.from_numpy(np.random.get_state()[1].astype(np.int64)),  # noqa: NPY002
        random.getstate(),
        [module.training for module in one.network.modules()],
        [p.requires_grad for p in one.network.parameters()],
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.fixture
def run(world, attach, sampling):
    """Train 50 steps; ``around(handle)`` is called after attaching."""

    def run(around=None, way="network", **options):
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        one = world(Modes)
        given = one.network if way == "network" else sampling(one.network)
        d3 = None
        if around is not None:
            d3 = attach(given, one.data, optimizer=one.optimizer, **options)
            around(d3)
        losses = [one.step() for _ in range(STEPS)]
        return losses, trace(one), d3

    return run


@pytest.mark.parametrize("way", ["network", "sample"])
def test_paused_it_is_the_plain_script(run, way):
    plain, left, _ = run()
    losses, also, d3 = run(lambda d3: d3.pause(), way)
    assert same(losses, plain)
    assert same(also, left)
    assert d3.steps == 0


@pytest.mark.parametrize("way", ["network", "sample"])
def test_of_weight_0_it_is_the_plain_script(run, way):
    plain, left, _ = run()
    losses, also, d3 = run(lambda d3: None, way, **NOTHING)
    assert same(losses, plain)
    assert same(also, left)
    assert d3.steps == STEPS


def test_at_work_it_is_not(run):
    plain, left, _ = run()
    losses, also, _ = run(lambda d3: None)
    assert not same(losses, plain)
    assert not same(also[0], left[0])
    assert same(also[2:], left[2:]), "the script's random streams moved"


def test_running_statistics_move_only_when_asked(world, attach, sampling):
    counts = {}
    for move in (False, True):
        one = world(Modes)
        attach(sampling(one.network), one.data, optimizer=one.optimizer, move_buffers=move)
        one.step()
        counts[move] = int(one.network.net[1].num_batches_tracked)
    assert counts[False] == 1
    assert counts[True] == 3  # the script's step, the trial, D³'s sample


def test_an_evaluation_leaves_no_trace(world, attach, sampling):
    one = world(Modes)
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer)
    one.step()
    before = trace(one)
    first = d3.evaluate(synthetic_per_class=3)
    assert same(trace(one), before)
    assert str(d3.evaluate(synthetic_per_class=3)) == str(first)


HOOKS = [name for name in vars(nn.Module()) if "hook" in name]


def surface(network):
    """Return what a network is: its classes, methods, hooks and the names in it."""
    return [
        (
            type(module),
            module.forward.__func__,
            {name: dict(getattr(module, name) or {}) for name in HOOKS},
            sorted(vars(module)),
        )
        for module in network.modules()
    ]


@pytest.mark.parametrize("way", ["network", "sample"])
def test_detached_the_script_has_its_own_objects(world, attach, sampling, way):
    one = world(Modes)
    keys, was = list(one.network.state_dict()), surface(one.network)
    hooks = [dict(getattr(one.optimizer, name)) for name in vars(one.optimizer) if "hooks" in name]
    with attach(one.network if way == "network" else sampling(one.network), one.data, optimizer=one.optimizer) as d3:
        for _ in range(3):
            one.step()
            assert surface(one.network) == was
        assert d3.steps == 3
    assert isinstance(one.network, Modes)
    assert list(one.network.state_dict()) == keys
    assert [dict(getattr(one.optimizer, name)) for name in vars(one.optimizer) if "hooks" in name] == hooks
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks
    one.step()
    assert d3.steps == 3


def test_attached_and_detached_nothing_has_moved(world, attach):
    one = world(Modes)
    one.step()
    before = trace(one)
    attach(one.network, one.data, optimizer=one.optimizer).detach()
    assert same(trace(one), before)


def test_resumed_it_goes_on(world, attach):
    one = world()
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    for act, steps in ((d3.pause, 0), (d3.resume, 1), (d3.pause, 1), (d3.resume, 2)):
        act()
        one.step()
        assert d3.steps == steps


def test_the_same_seed_gives_the_same_run(run):
    first, left, _ = run(lambda d3: None)
    again, also, _ = run(lambda d3: None)
    assert same(first, again)
    assert same(left, also)


def test_nothing_of_the_script_is_called_when_it_is_attached(world, attach):
    one = world(Modes)
    attach(one.network, one.data, optimizer=one.optimizer, semantics=lambda: one.network.calls.fill_(9))
    assert one.network.calls == 0
