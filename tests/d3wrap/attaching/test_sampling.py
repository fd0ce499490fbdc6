"""A script's function as a generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d3wrap.attaching.sampling import Sampler
from d3wrap.generator import Generator


@pytest.fixture
def sampler():
    """Return a sampler of a network that is found only when it is called, and the network."""
    network = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    table = torch.randn(5, 3)
    hidden = [lambda s: network(s + torch.randn_like(s))]
    return Sampler(lambda s: hidden[0](s), lambda: table, torch.empty(0)), network, table


def test_it_is_a_generator(sampler):
    made, _, table = sampler
    assert isinstance(made, Generator)
    rows = torch.tensor([0, 4, 4])
    by_rows = made.generate(table[rows], rng=torch.Generator().manual_seed(3))
    by_labels = made.generate_for(rows, rng=torch.Generator().manual_seed(3))
    assert torch.equal(by_rows, by_labels)


def test_random_numbers_come_from_the_stream_alone(sampler):
    made, _, _ = sampler
    labels, rng = torch.tensor([0, 1, 2]), torch.Generator().manual_seed(3)
    first, second = made.generate_for(labels, rng=rng), made.generate_for(labels, rng=rng)
    assert not torch.equal(first, second)
    torch.manual_seed(9)
    assert torch.equal(made.generate_for(labels, rng=torch.Generator().manual_seed(3)), first)
    torch.manual_seed(9)
    free = made.generate_for(labels)
    torch.manual_seed(9)
    assert torch.equal(made.generate_for(labels), free)


def test_networks_are_known_once_they_were_called(sampler):
    made, network, _ = sampler
    assert list(made.modules()) == []
    made.generate_for(torch.tensor([0, 1]))
    assert set(made.modules()) == set(network.modules())
    assert set(made.parameters()) == set(network.parameters())


def test_a_function_without_a_signature_gets_semantics_alone():
    made = Sampler(torch.clone, lambda: torch.eye(3), torch.empty(0))
    assert torch.equal(made.generate_for(torch.tensor([2, 0])), torch.eye(3)[[2, 0]])


@pytest.mark.gpu
def test_on_cuda_the_stream_moves_without_waiting(sampler):
    table = torch.randn(5, 3, device="cuda")
    made = Sampler(lambda s: s + torch.randn_like(s), lambda: table, table)
    labels, rng = torch.tensor([0, 1], device="cuda"), torch.Generator("cuda").manual_seed(3)
    first, second = made.generate_for(labels, rng=rng), made.generate_for(labels, rng=rng)
    assert not torch.equal(first, second)
    assert torch.equal(made.generate_for(labels, rng=torch.Generator("cuda").manual_seed(3)), first)
