"""The conditional network is the perceptron it says it is."""

from __future__ import annotations

import pytest
import torch

from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.errors import ConfigError
from d3wrap.seeds import stream

LAST = {"linear": lambda x: x, "relu": lambda x: max(x, 0.0), "sigmoid": lambda x: 1 / (1 + 2.718281828459045**-x)}


@pytest.mark.parametrize("output", sorted(LAST))
@pytest.mark.parametrize("hidden", [(), (5,), (5, 4)])
def test_it_is_the_formula_row_by_row(hidden, output):
    network = ConditionalNetwork((3, 2), hidden, 2, output).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, generator=stream(0, "weights"))
    first, second = (torch.randn(4, n, generator=stream(0, str(n))).double() for n in (3, 2))
    found = network(first, second)
    for i in range(4):
        x = [*first[i].tolist(), *second[i].tolist()]
        for layer in network.hidden:
            x = _affine(layer, x)
            x = [value if value > 0 else 0.2 * value for value in x]
        assert network.hidden_layers(first, second)[i].tolist() == pytest.approx(x)
        assert found[i].tolist() == pytest.approx([LAST[output](value) for value in _affine(network.out, x)])


def _affine(layer, x):
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * value for w, value in zip(weights, x, strict=True)) + bias for weights, bias in rows]


def test_an_unknown_activation_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no such activation: 'sigmoids'.*did you mean 'sigmoid'"):
        ConditionalNetwork((1,), (), 1, "sigmoids")
