"""The semantic decoder and its distance, against their formulas written out element by element."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from d3wrap.adapters.decoder import SemanticDecoder, semantic_distance
from d3wrap.seeds import stream


def normal(*shape: int, seed: str = "x") -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=stream(0, seed))


def test_the_distance_is_the_weighted_sum_of_absolute_errors():
    predicted, semantics = normal(5, 4, seed="predicted"), normal(5, 4, seed="semantics")
    total = 0.0
    for p, a in zip(predicted.tolist(), semantics.tolist(), strict=True):
        length = math.sqrt(sum((x - y) ** 2 for x, y in zip(p, a, strict=True)))
        total += sum((x - y) ** 2 / length * abs(x - y) for x, y in zip(p, a, strict=True))
    torch.testing.assert_close(semantic_distance(predicted, semantics).item(), total / 5)


def test_the_gradient_of_the_distance_is_right_and_zero_where_nothing_is_wrong():
    semantics, predicted = normal(3, 4, seed="semantics"), normal(3, 4, seed="predicted").requires_grad_()
    assert torch.autograd.gradcheck(lambda p: semantic_distance(p, semantics), predicted)
    exact = semantics.clone().requires_grad_()
    loss = semantic_distance(exact, semantics)
    (gradient,) = torch.autograd.grad(loss, exact)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_the_decoder_is_the_formula_and_gives_unit_length():
    decoder = SemanticDecoder(6, 5, 4).double()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, generator=stream(0, "weights"))
    features = normal(7, 6)
    hidden, semantics = decoder.read(features)
    for i in range(7):
        h = decoder.hidden[0].weight @ features[i] + decoder.hidden[0].bias
        h = torch.where(h > 0, h, 0.2 * h)
        torch.testing.assert_close(hidden[i], h)
        a = decoder.out.weight @ h + decoder.out.bias
        torch.testing.assert_close(semantics[i], a / a.square().sum().sqrt())
    assert torch.equal(decoder(features), semantics)
    torch.testing.assert_close(F.normalize(semantics), semantics)
