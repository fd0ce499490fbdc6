"""Calling conventions and states of networks, as scripts have them: each found out, or refused with what settles it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from d3wrap.attaching.calling import Given, find_calling
from d3wrap.attaching.watching import Watch
from d3wrap.errors import D3WrapError

NOISE, SEMANTICS, FEATURES = 4, 4, 7


class Net(nn.Module):
    """Concatenates whatever it is given; subclasses differ in how they are called."""

    def __init__(self, width=NOISE + SEMANTICS):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 9), nn.LeakyReLU(0.2), nn.Linear(9, FEATURES))

    def made(self, *parts):
        return self.net(torch.cat(parts, 1))


class Unnamed(Net):
    def forward(self, x, y):
        return self.made(x, y)


class Named(Net):
    def forward(self, noise, att):
        return self.made(noise, att)


class Turned(Net):
    def forward(self, att, z):
        return self.made(z, att)


class Keyword(Net):
    def forward(self, z, c=None, scale=1.0, flag=None):
        return self.made(z, c) * scale


class One(Net):
    def forward(self, x):
        return self.net(x)


class Alone(Net):
    def __init__(self):
        super().__init__(SEMANTICS)

    def forward(self, x):
        return self.net(x)


class Several(Net):
    def forward(self, x, y):
        made = self.made(x, y)
        return made, made.mean()


class Mapping(Net):
    def forward(self, x, y):
        return {"features": self.made(x, y), "other": x}


class Images(Net):
    def forward(self, x, y):
        return self.made(x[:, :, 0, 0], y[:, :, 0, 0])[:, :, None, None]


class Third(Net):
    def forward(self, x, y, t):
        return self.made(x, y) + t


class Wide(Net):
    def __init__(self):
        super().__init__(11 + SEMANTICS)

    def forward(self, x, y):
        return self.made(x, y)


class Modes(nn.Module):
    """BatchNorm and Dropout."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 9), nn.BatchNorm1d(9), nn.Dropout(0.3), nn.ReLU(), nn.Linear(9, FEATURES))

    def forward(self, x, y):
        return self.net(torch.cat([x, y], 1))


def plain(net, z, a):
    return net(z, a)


def turned(net, z, a):
    return net(a, z)


def wrapped(net):
    return nn.DataParallel(net)


def tensors(output):
    return output.values() if isinstance(output, dict) else output if isinstance(output, tuple) else (output,)


def with_noise(draw):
    """Call with noise drawn otherwise than N(0, 1)."""
    return lambda net, z, a: net(draw(z), a)


FOUND = {
    "names that say nothing": (Unnamed, plain, {}, "noise N(0, 1) [n, 4], semantics), as the script calls it"),
    "the other way round": (Unnamed, turned, {}, "semantics, noise N(0, 1) [n, 4])"),
    "names that say it": (Named, plain, {}, "noise N(0, 1) [n, 4], semantics), as the script calls it"),
    "names, semantics first": (Turned, turned, {}, "semantics, noise N(0, 1) [n, 4])"),
    "a keyword": (Keyword, lambda net, z, a: net(z, c=a), {}, "c=semantics)"),
    "two keywords": (Keyword, lambda net, z, a: net(c=a, z=z), {}, "c=semantics, z=noise N(0, 1) [n, 4])"),
    "constants beside": (Keyword, lambda net, z, a: net(z, a, 2.0, flag=None), {}, "2.0, flag=None)"),
    "side by side": (One, lambda net, z, a: net(torch.cat([z, a], 1)), {}, "[noise, semantics] N(0, 1) [n, 8])"),
    "side by side, semantics first": (One, lambda net, z, a: net(torch.cat([a, z], 1)), {}, "[semantics, noise]"),
    "no noise": (Alone, lambda net, z, a: net(a), {}, "Alone(semantics)"),
    "noise wider than semantics": (Wide, lambda net, z, a: net(torch.randn(len(a), 11).to(a), a), {}, "[n, 11]"),
    "semantics slightly perturbed": (Unnamed, lambda net, z, a: net(z, a + 0.05 * torch.randn_like(a)), {},
                                     "semantics (changed by the script)"),
    "uniform noise": (Unnamed, with_noise(torch.rand_like), {}, "noise U(0, 1) [n, 4]"),
    "strange noise, named": (Unnamed, with_noise(lambda z: 3 * z + 1), {"noise": "normal"}, "noise N(0, 1) [n, 4]"),
    "one-by-one images": (Images, lambda net, z, a: net(z[:, :, None, None], a[:, :, None, None]), {}, "[n, 4, 1, 1]"),
    "several outputs": (Several, plain, {}, "noise N(0, 1)"),
    "an output by its name": (Mapping, plain, {"output": "features"}, "noise N(0, 1)"),
    "the order as given": (Unnamed, plain, {"order": "noise, semantics"}, "as the script calls it"),
    "a call of one's own": (Third, lambda net, z, a: net(z, a, z[:, :1]),
                            {"call": lambda net, z, a: net(z, a, 0.0), "noise_dim": 4}, "call= with noise [n, 4]"),
    "never called, but named": (Named, None, {"noise_dim": 4}, "order by the names of its arguments"),
    "never called, but told": (Unnamed, None, {"order": "noise, semantics", "noise_dim": 4}, "order as given"),
    "BatchNorm and Dropout": (Modes, plain, {}, "noise N(0, 1)"),
    "DataParallel": (lambda: nn.DataParallel(Unnamed()), plain, {}, "Unnamed(noise N(0, 1)"),
}  # fmt: skip

REFUSED = {
    "noise of no known kind": (Unnamed, with_noise(lambda z: 3 * z + 1), {}, "noise='normal'"),
    "a third tensor": (Third, lambda net, z, a: net(z, a, z[:, :1] * 7), {}, "sample=lambda semantics"),
    "semantics of no class": (Unnamed, lambda net, z, a: net(z, a * 30 + 9), {}, "order='noise, semantics'"),
    "two kinds of noise": (lambda: Keyword(12), lambda net, z, a: net(torch.cat([z, z], 1), a, flag=torch.randn(8, 3)),
                           {}, "sample=lambda semantics"),
    "the given order is the other one": (Unnamed, plain, {"order": "semantics, noise"}, "Leave order= out"),
    "another width of noise": (Unnamed, plain, {"noise_dim": 5}, "leave noise_dim= out"),
    "never called": (Unnamed, None, {}, "no call of it yet (its methods are not watched). Give order="),
    "never called, named": (Named, None, {}, "Give noise_dim=, the width of its noise"),
    "an output to be named": (Mapping, plain, {}, "output='features'"),
    "an output that is not there": (Several, plain, {"output": 4}, "output=4"),
}  # fmt: skip


@pytest.fixture
def start(world, attach):
    """Attach to a network and let the script step twice, so that D³ starts if it can."""

    def start(network, call, options, change=lambda network: network):
        one = world(network, call=call or plain)
        one.network = change(one.network)
        if call is None:  # by a method that no hook sees
            one.call = lambda net, z, a: net.made(z, a)
        d3 = attach(one.network, one.data, optimizer=one.optimizer, **options)
        for _ in range(2):
            one.step()
        return d3

    return start


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found_out(start, name):
    network, call, options, words = FOUND[name]
    d3 = start(network, call, options)
    assert words in d3.report.sampling
    assert d3.steps == 2
    assert d3.report.reached == d3.report.parameters == len(list(d3._source.network.parameters()))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_what_settles_it(start, name):
    network, call, options, words = REFUSED[name]
    with pytest.raises(D3WrapError) as error:
        start(network, call, options)
    assert words in str(error.value)


DRAWING = {
    "semantics slightly perturbed", "uniform noise", "strange noise, named", "noise wider than semantics", "no noise",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FOUND.keys() - DRAWING))
def test_what_is_found_out_gives_what_the_script_would(world, name):
    """The same noise and semantics in the script's own call and in d3wrap's: the same features."""
    network, call, options, _ = FOUND[name]
    one = world(network)
    one.network.eval()
    semantics = one.data.semantics[torch.tensor([4, 5, 5, 4])]
    noise = torch.randn(8, NOISE, dtype=semantics.dtype)
    watch = Watch([one.network], lambda: one.data.semantics)
    if call is not None:
        call(one.network, noise, one.data.semantics[torch.arange(8) % 4])
    watch.stop()
    given = Given(**{key: value for key, value in options.items() if key != "output"})
    calling = find_calling(one.network, given, watch)
    torch.manual_seed(5)
    ours = calling(semantics)
    torch.manual_seed(5)
    theirs = (call or plain)(one.network, torch.randn(4, NOISE, dtype=semantics.dtype), semantics)
    if name == "a call of one's own":
        torch.manual_seed(5)
        theirs = one.network(torch.randn(4, NOISE, dtype=semantics.dtype), semantics, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(tensors(ours), tensors(theirs), strict=True))


STATES = {
    "eval() left on": lambda net: net.eval(),
    "half precision": lambda net: net.bfloat16(),
    "single precision": lambda net: net.float(),
}


@pytest.mark.parametrize("state", STATES)
def test_a_network_in_another_state(world, attach, state):
    def call(net, z, a):
        kind = next(net.parameters()).dtype
        return net(z.to(kind), a.to(kind)).double()

    one = world(Modes, call=call)
    one.optimizer = torch.optim.SGD(STATES[state](one.network).parameters(), lr=0.01)
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    modes = [module.training for module in one.network.modules()]
    for _ in range(2):
        one.step()
    assert d3.steps == 2
    assert [module.training for module in one.network.modules()] == modes


def test_frozen_while_the_critic_trains(world, attach):
    """The generator is frozen in the critic's steps, and its optimizer steps once without a gradient."""
    one = world()
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    one.step()
    one.network.requires_grad_(False)
    one.optimizer.step()
    assert d3.steps == 1
    one.network.requires_grad_(True)
    one.step()
    assert d3.steps == 2


def test_weights_put_in_by_load_state_dict(world, attach):
    one = world()
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    one.step()
    one.network.load_state_dict(copy.deepcopy(one.network.state_dict()))
    one.step()
    assert d3.steps == 2


def test_a_copied_optimizer_is_noticed(world, attach):
    one = world()
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    one.optimizer = copy.deepcopy(one.optimizer)
    one.step()
    with pytest.warns(UserWarning, match="made no step since it was attached"):
        d3.evaluate(synthetic_per_class=2)


def test_a_script_may_pickle_and_copy_its_network_at_any_time(world, attach, tmp_path, foreign):
    one = world()
    attach(one.network, one.data, optimizer=one.optimizer)
    copy.deepcopy(one.network)
    for _ in range(2):
        torch.save(one.network.state_dict(), tmp_path / "state.pt")
        assert vars(one.network).keys() == vars(foreign()).keys()
        one.step()
