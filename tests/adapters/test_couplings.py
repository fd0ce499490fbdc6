"""Flows of affine couplings: what they compute, that they invert, and what is said without FrEIA."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.couplings import couplings
from d3wrap.adapters.invertible import InvertibleNetwork
from d3wrap.cli import main
from d3wrap.errors import MissingExtraError
from d3wrap.manager import load_plugins
from d3wrap.seeds import initialising, stream

FEATURES, CONDITION, ROWS = 5, 3, 4


@pytest.fixture(autouse=True)
def needs_freia(request):
    if "without_freia" not in request.fixturenames:
        pytest.importorskip("FrEIA")


def build(dtype: torch.dtype = torch.float64, spread: float = 0.3, seed: int = 0, **options: object) -> nn.Module:
    """A small flow; weights of 0.3 rather than 0.01 take it far from the identity."""
    options = {"blocks": 3, "hidden": 8, "permute": True, **options}
    with initialising(seed, "generator"):
        network = couplings(FEATURES, CONDITION, **options)
        for parameter in network.parameters():
            if parameter.requires_grad and spread:
                nn.init.normal_(parameter, 0.0, spread)
    return network.to(dtype)


def draw(width: int, purpose: str = "noise", dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(ROWS, width, dtype=dtype, generator=stream(0, purpose))


def test_a_block_is_the_affine_coupling():
    network = build(blocks=1, permute=False, clamp=0.7)
    x, c = draw(FEATURES), draw(CONDITION, "condition")
    (block,) = network
    z, log_determinant = InvertibleNetwork(network)(x, c)
    for i in range(ROWS):
        first, second = x[i, : FEATURES // 2].clone(), x[i, FEATURES // 2 :].clone()
        volume = torch.zeros((), dtype=torch.float64)
        # FrEIA changes the first half by the second sub-network, then the second half by the first.
        for change_first, subnet in ((True, block.subnet2), (False, block.subnet1)):
            active, passive = (first, second) if change_first else (second, first)
            hidden = subnet[0].weight @ torch.cat([passive, c[i]]) + subnet[0].bias
            out = subnet[2].weight @ torch.where(hidden > 0, hidden, 0.2 * hidden) + subnet[2].bias
            scale = 0.7 * 0.636 * torch.atan(out[: len(active)])
            active = active * scale.exp() + out[len(active) :]
            volume = volume + scale.sum()
            first, second = (active, second) if change_first else (first, active)
        torch.testing.assert_close(z[i], torch.cat([first, second]))
        torch.testing.assert_close(log_determinant[i], volume)


@pytest.mark.parametrize("permute", [True, False])
def test_the_log_determinant_is_that_of_autograds_jacobian(permute):
    flow = InvertibleNetwork(build(permute=permute))
    x, c = draw(FEATURES), draw(CONDITION, "condition")
    _, log_determinant = flow(x, c)
    for i in range(ROWS):
        jacobian = torch.func.jacrev(lambda row, c=c[i]: flow(row[None], c[None])[0][0])(x[i])
        torch.testing.assert_close(log_determinant[i], torch.linalg.slogdet(jacobian).logabsdet)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_inverts(dtype):
    flow = InvertibleNetwork(build(dtype))
    x, c = draw(FEATURES, dtype=dtype), draw(CONDITION, "condition", dtype)
    with torch.no_grad():
        z, log_determinant = flow(x, c)
        assert float((z - x).abs().max()) > 0.1
        assert z.dtype == log_determinant.dtype == dtype
        assert float((flow.inverse(z, c) - x).abs().max()) < 1e-5
        assert float((flow(flow.inverse(x, c), c)[0] - x).abs().max()) < 1e-5


def test_gradients_through_the_inverse_are_those_of_finite_differences():
    flow = InvertibleNetwork(build(blocks=2, hidden=3))
    # The weights are inputs too, so that their gradients are checked as well: they are what D³'s gradient must reach.
    names, parameters = zip(*[(n, p) for n, p in flow.named_parameters() if p.requires_grad], strict=True)

    def inverse(z: Tensor, c: Tensor, *weights: Tensor) -> Tensor:
        # functional_call, so that the weights are inputs whose gradient is checked as well
        return torch.func.functional_call(
            _Inverse(flow), {f"flow.{n}": w for n, w in zip(names, weights, strict=True)}, (z, c)
        )

    inputs = (draw(FEATURES).requires_grad_(), draw(CONDITION, "condition").requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(inverse, inputs)


class _Inverse(nn.Module):
    def __init__(self, flow: InvertibleNetwork) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.flow.inverse(z, c)


def test_it_starts_near_the_identity_from_small_weights_and_biases():
    network = build(spread=0.0, hidden=400)
    values = torch.cat([p.detach().flatten() for p in network.parameters() if p.requires_grad])
    assert abs(float(values.std()) - 0.01) < 5e-4
    assert all(p.any() for p in network.parameters() if p.requires_grad)
    biases = torch.cat([p.detach().flatten() for n, p in network.named_parameters() if n.endswith("bias")])
    assert abs(float(biases.std()) - 0.01) < 1e-3


def test_permutations_follow_the_seed_and_leave_numpys_stream_alone():
    import numpy as np

    def permutations(seed: int) -> list[list[int]]:
        return [p.tolist() for n, p in build(seed=seed).named_parameters() if n.endswith("perm")]

    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = permutations(0)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    assert permutations(0) == first
    assert permutations(1) != first
    assert [sorted(one) for one in first] == [list(range(FEATURES))] * 3
    assert len({tuple(one) for one in first}) > 1


@pytest.fixture
def without_freia(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "FrEIA"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "FrEIA", None)


def test_without_freia_the_error_says_what_to_type(without_freia):
    with pytest.raises(MissingExtraError, match=r"needs FrEIA, which is not installed: pip install 'd3wrap\[flow\]'"):
        d3wrap.build_generator("gsmflow", d3wrap.synthetic(6, 2, 7, 4, 10))


def test_without_freia_the_plugins_load_and_are_listed(without_freia):
    plugins = load_plugins(environ={})
    assert "gsmflow" in plugins.generators
    assert not plugins.adapter("flow").accepts(nn.Linear(2, 2))
    result = CliRunner().invoke(main, ["plugins", "list", "--json"], catch_exceptions=False)
    assert {"flow", "gsmflow"} <= {row["name"] for row in json.loads(result.stdout)}
