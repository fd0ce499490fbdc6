"""Foreign code inside a block leaves random streams and buffers as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from d3wrap.attaching.isolation import isolated


def draws():
    return (float(torch.rand(())), float(np.random.rand()), random.random())  # noqa: NPY002


def test_three_streams_are_seeded_inside_and_put_back():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    expected = [draws(), draws()]
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    found = [draws()]
    inside = []
    for seed in (1, 1, 2):
        with isolated(seed, "test"):
            inside.append(draws())
    found.append(draws())
    assert found == expected
    assert inside[0] == inside[1] != inside[2]


@pytest.mark.parametrize("move", [False, True])
def test_buffers_of_every_module_called(move):
    norm, idle = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    whole = nn.Sequential(nn.Linear(3, 3), norm)
    with isolated(0, "test", move_buffers=move) as called:
        whole(torch.randn(4, 3))
    assert list(called) == [whole, whole[0], norm]
    assert int(norm.num_batches_tracked) == int(move)
    assert bool(norm.running_mean.any()) == move
    assert idle not in called


def test_an_error_inside_leaves_no_trace_either():
    norm, state = nn.BatchNorm1d(3), random.getstate()

    def fail():
        with isolated(0, "test"):
            norm(torch.randn(4, 3))
            random.random()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not norm.running_mean.any()
    assert random.getstate() == state
    assert not nn.modules.module._global_forward_pre_hooks


def test_gradients_pass_through():
    norm = nn.BatchNorm1d(3)
    x = torch.randn(5, 3, requires_grad=True)
    with isolated(0, "test"):
        y = norm(x)
    (y.square() * torch.arange(3)).sum().backward()
    again = x.detach().clone().requires_grad_()
    (nn.BatchNorm1d(3)(again).square() * torch.arange(3)).sum().backward()
    torch.testing.assert_close(x.grad, again.grad)
