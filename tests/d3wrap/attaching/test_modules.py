"""The networks that a function uses are found by looking."""

from __future__ import annotations

import functools
import types

import torch
from torch import nn

from d3wrap.attaching.modules import modules_in, unwrapped

NET = nn.Linear(1, 1)


def by_global():
    return NET(torch.zeros(1, 1))


def by_helper():
    return by_global()


class Holder:
    def __init__(self):
        self.nets = {"a": nn.Linear(1, 1), "b": [nn.Linear(1, 1)]}
        self.me = self

    def sample(self, semantics):
        return self.nets["a"](semantics)


class Slots:
    __slots__ = ()


def test_where_a_function_has_them():
    inner, holder = nn.Linear(1, 1), Holder()
    a, b = holder.nets["a"], holder.nets["b"][0]
    unfilled = []

    def later():
        return never  # noqa: F821

    def waiting():
        return late

    assert modules_in(NET) == [NET]
    assert modules_in(lambda s: inner(s)) == [inner]
    assert modules_in(lambda s, net=inner: net(s)) == [inner]
    assert modules_in(by_global) == [NET]
    assert modules_in(by_helper) == [NET]
    assert modules_in(holder.sample) == [a, b]
    assert modules_in(functools.partial(print, inner, key=NET)) == [inner, NET]
    assert modules_in({"x": (inner, inner)}) == [inner]
    assert modules_in(later) == modules_in(waiting) == modules_in(unfilled) == []
    late = NET
    assert modules_in(waiting) == [late]


def test_what_holds_none():
    assert modules_in(types) == modules_in(nn.Linear) == modules_in(3) == modules_in(None) == modules_in(Slots()) == []


def test_wrapped_networks():
    assert unwrapped(nn.DataParallel(NET)) is NET
    compiled = nn.Module()
    compiled._orig_mod = nn.DataParallel(NET)  # what torch.compile returns
    assert unwrapped(compiled) is NET
    assert unwrapped(NET) is NET
