"""Buffers are put back; weights, gradients and other objects are left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d3wrap.training.buffers import restored_buffers


def test_running_statistics_come_back_and_the_gradient_is_that_of_the_call():
    network, other = (nn.BatchNorm1d(3).double() for _ in range(2))
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with restored_buffers(network):
        found = network(x)
        assert not torch.equal(network.running_mean, before["running_mean"])
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    one, two = (torch.autograd.grad(y.square().sum() + y[0].sum(), x)[0] for y in (found, other(x)))
    assert torch.equal(one, two)


def test_they_come_back_after_an_error_too():
    network = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="expected 2D or 3D"), restored_buffers(network):
        network(network(torch.rand(4, 3))[:, :, None, None])
    assert not network.running_mean.any()
    assert int(network.num_batches_tracked) == 0


def test_weights_keep_what_the_block_did():
    network = nn.Linear(2, 2)
    with restored_buffers(network):
        nn.init.zeros_(network.weight)
    assert not network.weight.any()


def test_what_is_no_network_passes():
    with restored_buffers(object()):
        pass
