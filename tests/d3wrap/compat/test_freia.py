"""The graph FrEIA had until February 2021, against its own equations written out."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from d3wrap.compat import compatible

Ff = pytest.importorskip("FrEIA.framework")
Fm = pytest.importorskip("FrEIA.modules")

WIDTH, CONDITION, ROWS = 5, 3, 4


def subnet(width_in: int, width_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width_in, 7), nn.LeakyReLU(0.2), nn.Linear(7, width_out))


def build(block=Fm.GLOWCouplingBlock, layers=2, **settings):
    condition = Ff.ConditionNode(CONDITION)
    nodes = [Ff.InputNode(WIDTH)]
    nodes.append(Ff.Node(nodes[-1], Fm.Flatten, {}))
    for _ in range(layers):
        settings = {"subnet_constructor": subnet, **settings}
        nodes.append(Ff.Node(nodes[-1], block, settings, conditions=condition, name=f"block{len(nodes)}"))
    return Ff.ReversibleGraphNet([*nodes, condition, Ff.OutputNode(nodes[-1])], verbose=False)


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    with compatible(["freia"]):
        yield torch.randn(ROWS, WIDTH), torch.randn(ROWS, CONDITION)


def soft_clamp(s: Tensor, clamp: float) -> Tensor:
    return clamp * 0.636 * torch.atan(s / clamp)


def old_glow(net: nn.Module, x: Tensor, c: Tensor, clamp: float) -> tuple[Tensor, Tensor]:
    """The couplings written out: the first half moved by what the second says, then the other way round."""
    logdet = torch.zeros(len(x))
    for block in net.module_list[1:]:
        half = block.split_len1
        first, second = x[:, :half], x[:, half:]
        scale, shift = block.subnet2(torch.cat([second, c], 1)).split([half, half], 1)
        first = first * soft_clamp(scale, clamp).exp() + shift
        logdet = logdet + soft_clamp(scale, clamp).sum(1)
        width = WIDTH - half
        scale, shift = block.subnet1(torch.cat([first, c], 1)).split([width, width], 1)
        second = second * soft_clamp(scale, clamp).exp() + shift
        logdet = logdet + soft_clamp(scale, clamp).sum(1)
        x = torch.cat([first, second], 1)
    return x, logdet


@pytest.mark.parametrize(("settings", "clamp"), [({"clamp": 1.0}, 1.0), ({"clamp": 2.0}, 2.0), ({}, 5.0)])
def test_the_call_gives_the_output_alone_and_the_jacobian_follows(inputs, settings, clamp):
    x, c = inputs
    net = build(**settings)
    expected, logdet = old_glow(net, x, c, clamp)
    torch.testing.assert_close(net(x, c), expected)
    torch.testing.assert_close(net.log_jacobian(run_forward=False), logdet)
    torch.testing.assert_close(net.log_jacobian(x, c), logdet)
    torch.testing.assert_close(net(x, [c]), expected)


def test_the_reverse_call_inverts_and_its_jacobian_is_the_negative(inputs):
    x, c = inputs
    net = build(clamp=1.0)
    z = net(x, c)
    forward = net.log_jacobian(run_forward=False)
    torch.testing.assert_close(net(z, c, rev=True), x)
    torch.testing.assert_close(net.log_jacobian(rev=True, run_forward=False), -forward)
    torch.testing.assert_close(net.log_jacobian(z, c, rev=True), -forward)


def test_gradients_flow_through_output_and_jacobian(inputs):
    x, c = inputs
    net = build(clamp=1.0)
    ((net(x, c) ** 2).mean() - net.log_jacobian(run_forward=False).mean()).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("block", [Fm.RNVPCouplingBlock, Fm.AffineCouplingOneSided])
def test_blocks_that_did_not_scale_their_clamp_only_get_the_old_default(inputs, block):
    x, c = inputs
    old = build(block, layers=1)
    stated = build(block, layers=1, clamp=5.0, clamp_activation="ATAN")
    stated.load_state_dict(old.state_dict())
    assert old(x, c).equal(stated(x, c))


def test_what_only_newer_versions_understand_is_left_to_them(inputs):
    x, c = inputs
    new = build(clamp=2.0, clamp_activation="TANH")
    z, logdet = new(x, c, jac=True)
    assert z.equal(new(x, c))
    assert logdet.equal(new.log_jacobian(run_forward=False))
    assert new.module_list[1].f_clamp is torch.tanh


def test_a_node_without_a_clamp_is_left_alone(inputs):
    x, c = inputs
    assert build(Fm.NICECouplingBlock)(x, c).shape == x.shape


def test_intermediate_outputs_come_by_the_name_of_the_node(inputs):
    x, c = inputs
    net = build(clamp=1.0)
    outputs = net(x, c, intermediate_outputs=True)
    assert outputs["block3"][0].equal(net(x, c))
    assert {"block2", "block3"} <= outputs.keys()


def test_several_outputs_come_as_a_list(inputs):
    x, _ = inputs
    source = Ff.InputNode(WIDTH)
    split = Ff.Node(source, Fm.Split, {"section_sizes": [2, 3]})
    net = Ff.ReversibleGraphNet([source, split, Ff.OutputNode(split.out0), Ff.OutputNode(split.out1)], verbose=False)
    found = net(x)
    assert isinstance(found, list)
    assert [part.shape[1] for part in found] == [2, 3]


def test_a_jacobian_needs_a_call_first(inputs):
    net = build(clamp=1.0)
    with pytest.raises(RuntimeError, match="needs an input x"):
        net.log_jacobian()
    with pytest.raises(RuntimeError, match="needs a forward pass first"):
        net.log_jacobian(run_forward=False)


def test_the_network_can_be_copied_after_a_call(inputs):
    x, c = inputs
    net = build(clamp=2.0)
    z = net(x, c)
    assert copy.deepcopy(net)(x, c).equal(z)


def test_old_arguments_are_taken(inputs, capsys):
    source = Ff.InputNode(WIDTH)
    node = Ff.Node(source, Fm.PermuteRandom, {"seed": 0})
    Ff.ReversibleGraphNet([source, node, Ff.OutputNode(node)], 0, 2)
    assert "PermuteRandom" in capsys.readouterr().out
