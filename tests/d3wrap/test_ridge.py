"""Ridge regression is the textbook's, and finds a strength that predicts rows it has not seen."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d3wrap.errors import ShapeError
from d3wrap.ridge import ridge


def solved(x, y, strength):
    """Solve the normal equations with a column of ones, which is not penalised."""
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    penalty = torch.eye(ones.shape[1], dtype=x.dtype) * strength
    penalty[-1, -1] = 0
    return torch.linalg.solve(ones.T @ ones + penalty, ones.T @ y)


def left_out(x, y, strength):
    """Return the generalised cross-validation error, with the hat matrix written out."""
    centred = x - x.mean(0)
    scale = float(torch.linalg.eigvalsh(centred.T @ centred)[-1]) * strength
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    hat = centred @ torch.linalg.solve(centred.T @ centred + scale * eye, centred.T) + 1 / len(x)
    return len(x) * float((y - hat @ y).square().sum()) / (len(x) - float(hat.trace())) ** 2, scale


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(1, 9), st.integers(1, 3), st.integers(0, 9), st.floats(0.1, 10.0))
def test_it_solves_the_normal_equations_of_the_best_strength(n, d, e, seed, noise):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, dtype=torch.float64, generator=rng) * 3 + 1
    y = x @ torch.randn(d, e, dtype=torch.float64, generator=rng) + noise * torch.randn(
        n, e, dtype=torch.float64, generator=rng
    )
    strengths = (1e-3, 1e-2, 1e-1, 1.0)
    errors = [left_out(x, y, strength) for strength in strengths]
    fitted = ridge(x, y, strengths)
    assert any(
        error <= min(errors)[0] * (1 + 1e-6)
        and torch.allclose(torch.cat([fitted.weight, fitted.bias[None]]), solved(x, y, scale), atol=1e-7)
        for error, scale in errors
    )


def test_an_exact_map_is_found_and_the_scale_does_not_matter():
    rng = torch.Generator().manual_seed(0)
    x, weight = torch.randn(50, 6, generator=rng), torch.randn(6, 3, generator=rng)
    y = x @ weight + 2
    for scale in (1e-3, 1.0, 1e3):
        torch.testing.assert_close(ridge(x * scale, y)(x * scale), y, rtol=1e-4, atol=1e-4)


def test_noise_is_not_followed():
    """With as many columns as rows, least squares would hit every row; the strength found predicts new ones."""
    rng = torch.Generator().manual_seed(0)
    x, new = torch.randn(2, 40, 40, dtype=torch.float64, generator=rng)
    weight = torch.zeros(40, 1, dtype=torch.float64)
    weight[0] = 1
    y = x @ weight + torch.randn(40, 1, dtype=torch.float64, generator=rng)
    error = (ridge(x, y)(new) - new @ weight).square().mean()
    assert error < 0.5 * (ridge(x, y, [1e-8])(new) - new @ weight).square().mean()


def test_rows_that_are_all_the_same_give_the_mean():
    fitted = ridge(torch.ones(4, 3), torch.tensor([[0.0], [1.0], [2.0], [5.0]]))
    assert fitted(torch.randn(2, 3)).tolist() == [[2.0], [2.0]]


@pytest.mark.parametrize(("x", "y"), [((3, 2), (4, 2)), ((3,), (3, 1)), ((1, 2), (1, 1))])
def test_rows_that_do_not_pair_up_are_refused(x, y):
    with pytest.raises(ShapeError, match="ridge: expected"):
        ridge(torch.zeros(x), torch.zeros(y))


def test_single_precision_is_computed_in_double_precision():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(30, 5, generator=rng) + 1000
    y = x @ torch.randn(5, 2, generator=rng)
    single, double = ridge(x, y), ridge(x.double(), y.double())
    assert single.weight.dtype == torch.float32
    assert torch.equal(single.weight, double.weight.float())
    assert torch.equal(single.bias, double.bias.float())
