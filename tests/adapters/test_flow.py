"""Any invertible network as a backbone: its losses against the equations, FrEIA's networks and others, and faults."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.flow import FlowBackbone
from d3wrap.data.synthetic import synthetic_world
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.evaluation import synthesise
from d3wrap.generator import RealBatch
from d3wrap.seeds import initialising, stream
from d3wrap.training.loop import fit

FEATURES, SEMANTICS = 6, 4


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20).to("cpu", torch.float64)


class Affine(nn.Module):
    """z = (x − m(a)) exp(−s(a)): a hand-written flow that is no FrEIA network."""

    def __init__(self, semantics: int = SEMANTICS, features: int = FEATURES) -> None:
        super().__init__()
        self.mean, self.log_scale = nn.Linear(semantics, features), nn.Linear(semantics, features)

    def normalise(self, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        scale = self.log_scale(a)
        return (x - self.mean(a)) * torch.exp(-scale), -scale.sum(1)

    def render(self, z: Tensor, a: Tensor) -> Tensor:
        return z * torch.exp(self.log_scale(a)) + self.mean(a)


CALLS = {
    "forward": lambda net, x, c: net.normalise(x, c),
    "inverse": lambda net, z, c: net.render(z, c),
}


def bind(network: nn.Module, dataset: d3wrap.GZSLDataset, **options: object) -> FlowBackbone:
    with initialising(0, "generator"):
        return d3wrap.adapt(network, adapter="flow", **options).bind(dataset).to(dataset.features)


def affine(dataset: d3wrap.GZSLDataset, **options: object) -> FlowBackbone:
    with initialising(0, "network"):
        network = Affine().to(dataset.features)
    return bind(network, dataset, **{**CALLS, **options})


def batch_of(dataset: d3wrap.GZSLDataset, rows: int = 5) -> RealBatch:
    labels = dataset.train_labels[:rows]
    return RealBatch(dataset.train_features[:rows], labels, dataset.semantics[labels])


def test_the_losses_are_the_negative_log_likelihood_of_a_density(dataset):
    backbone, batch = affine(dataset), batch_of(dataset)
    found = backbone.losses("flow", batch, stream(0, "noise"))
    assert found.keys() == {"prior", "volume"}
    net = backbone.network.network
    total = torch.zeros((), dtype=torch.float64)
    for x, a in zip(batch.features, batch.semantics, strict=True):
        for j in range(FEATURES):
            normal = torch.distributions.Normal(net.mean(a)[j], net.log_scale(a)[j].exp())
            total = total - normal.log_prob(x[j])
    expected = total / (len(batch.labels) * FEATURES) - math.log(2 * math.pi) / 2
    torch.testing.assert_close(found["prior"] + found["volume"], expected)


def test_it_generates_by_the_inverse_from_standard_noise(dataset):
    backbone, semantics = affine(dataset), dataset.semantics[dataset.unseen]
    found = backbone.generate(semantics, rng=stream(3, "noise"))
    noise = torch.randn(len(semantics), FEATURES, dtype=torch.float64, generator=stream(3, "noise"))
    torch.testing.assert_close(found, backbone.network.network.render(noise, semantics))
    assert found.requires_grad


def test_the_perturbation_has_the_spread_it_is_given_and_its_mask_is_one_for_all_rows(dataset):
    backbone = affine(dataset, perturbation=0.3, mask=0.4)
    features = torch.zeros(4000, 200, dtype=torch.float64)
    noise = backbone.perturbed(features, stream(0, "noise"))
    spared = (noise == 0).all(0)
    assert torch.equal(spared, (noise == 0).any(0))
    assert abs(float(spared.double().mean()) - 0.4) < 0.1
    assert abs(float(noise[:, ~spared].std()) - 0.3) < 0.003
    assert abs(float(noise.mean())) < 0.002
    assert not torch.equal(spared, (backbone.perturbed(features, stream(1, "noise")) == 0).all(0))
    assert torch.equal(noise, backbone.perturbed(features, stream(0, "noise")))
    plain = affine(dataset)
    assert torch.equal(plain.perturbed(features, stream(0, "noise")), features)


def test_the_losses_see_perturbed_features(dataset):
    noisy, plain, batch = affine(dataset, perturbation=0.2), affine(dataset), batch_of(dataset)
    seen = noisy.perturbed(batch.features, stream(0, "noise"))
    expected = plain.losses("flow", RealBatch(seen, batch.labels, batch.semantics), stream(0, "other"))
    torch.testing.assert_close(dict(noisy.losses("flow", batch, stream(0, "noise"))), dict(expected))


def test_a_condition_is_applied_and_trained(dataset):
    condition = nn.Linear(SEMANTICS, 2).double()
    network = Affine(semantics=2).double()
    backbone = bind(network, dataset, condition=condition, **CALLS)
    (phase,) = backbone.phases()
    assert set(phase.parameters) == {*network.parameters(), *condition.parameters()}
    semantics = dataset.semantics[:3]
    torch.testing.assert_close(
        backbone.generate(semantics, rng=stream(0, "z")),
        network.render(torch.randn(3, FEATURES, dtype=torch.float64, generator=stream(0, "z")), condition(semantics)),
    )


def test_the_phase_has_the_rates_it_is_given_and_leaves_out_what_is_frozen(dataset):
    network = Affine().double()
    network.log_scale.requires_grad_(False)
    halves = lambda n: 0.5**n  # noqa: E731
    backbone = bind(network, dataset, lr=3e-3, betas=(0.1, 0.2), weight_decay=0.7, decay=halves, name="mine", **CALLS)
    (phase,) = backbone.phases()
    assert (phase.lr, phase.betas, phase.weight_decay, phase.decay) == (3e-3, (0.1, 0.2), 0.7, halves)
    assert (phase.enhanced, phase.repeats, backbone.name) == (True, 1, "mine")
    assert set(phase.parameters) == set(network.mean.parameters())


def test_a_hand_written_flow_learns_the_classes_of_a_synthetic_world():
    world = synthetic_world(30, 4, 16, 3, 20)
    data = world.dataset
    network = Affine(3, 16)
    backbone = bind(network, data, lr=0.02, **CALLS)

    def distance() -> float:
        features, labels = synthesise(backbone, data.semantics, data.unseen, 200, stream(0, "synthesis"))
        means = torch.stack([features[labels == c].mean(0) for c in data.unseen])
        return float((means - world.class_means[data.unseen]).norm(dim=1).mean())

    before = distance()
    fit(backbone, data, steps=400, batch_size=64, seed=0)
    assert distance() < 0.5 * before


def test_d3_trains_it_through_the_inverse(dataset):
    backbone = affine(dataset)
    d3 = d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8)
    d3.fit(steps=3, batch_size=8)
    assert backbone.generate(dataset.semantics, rng=stream(0, "z")).isfinite().all()


# --- FrEIA's networks ---------------------------------------------------------------------------------


def subnet(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 7), nn.ReLU(), nn.Linear(7, outputs))


def sequence(*kinds: str, condition: int | None = SEMANTICS, features: int = FEATURES, **options: object) -> nn.Module:
    pytest.importorskip("FrEIA")
    from FrEIA import framework, modules

    network = framework.SequenceINN(features, **options)
    np.random.seed(0)  # noqa: NPY002 where FrEIA draws its permutations
    for kind in kinds:
        given: dict[str, object] = {}
        if "Coupling" in kind or kind == "AllInOneBlock":
            given["subnet_constructor"] = subnet
            if condition:
                given |= {"cond": 0, "cond_shape": (condition,)}
        if kind == "Reshape":
            given["output_dims"] = (2, features // 2)
        network.append(getattr(modules, kind), **given)
    return network


def graph(outputs: int = 1, conditional: bool = True, condition: int = SEMANTICS) -> nn.Module:
    pytest.importorskip("FrEIA")
    from FrEIA import framework, modules

    inputs = framework.InputNode(FEATURES)
    cond = framework.ConditionNode(condition)
    given = {"conditions": cond} if conditional else {}
    first = framework.Node(inputs, modules.GLOWCouplingBlock, {"subnet_constructor": subnet}, **given)
    nodes = [inputs, first, *([cond] if conditional else [])]
    if outputs == 1:
        return framework.GraphINN([*nodes, framework.OutputNode(first)])
    split = framework.Node(first, modules.Split, {"section_sizes": [2, 4]})
    second = framework.Node(split.out1, modules.RNVPCouplingBlock, {"subnet_constructor": subnet}, **given)
    ends = [framework.OutputNode(split.out0), framework.OutputNode(second)]
    return framework.GraphINN([*nodes, split, second, *ends])


NETWORKS = {
    "couplings": lambda: sequence("GLOWCouplingBlock", "PermuteRandom", "GLOWCouplingBlock"),
    "tuples": lambda: sequence("RNVPCouplingBlock", force_tuple_output=True),
    "additive": lambda: sequence("NICECouplingBlock"),
    "all in one": lambda: sequence("AllInOneBlock", "AllInOneBlock"),
    "actnorm": lambda: sequence("ActNorm", "GLOWCouplingBlock", "ActNorm"),
    "reshaped": lambda: sequence("GLOWCouplingBlock", "Reshape", "ActNorm"),
    "graph": graph,
    "two outputs": lambda: graph(2),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_freias_networks_are_recognised_invert_and_state_their_volume(dataset, kind):
    with initialising(0, "network"):
        network = NETWORKS[kind]().double()
    backbone = bind(network, dataset)
    x, a = dataset.train_features[:3], dataset.semantics[dataset.train_labels[:3]]
    z, log_determinant = backbone.network(x, a)
    assert (z.shape, log_determinant.shape) == ((3, FEATURES), (3,))
    torch.testing.assert_close(backbone.network.inverse(z, a), x)
    for i in range(3):
        jacobian = torch.autograd.functional.jacobian(
            lambda row, a=a[i]: backbone.network(row[None], a[None])[0][0], x[i]
        )
        torch.testing.assert_close(log_determinant[i], torch.linalg.slogdet(jacobian).logabsdet)
    fit(backbone, dataset, steps=5, batch_size=16, seed=0)
    z, _ = backbone.network(x, a)
    assert float((backbone.network.inverse(z, a) - x).detach().abs().max()) < 1e-5


def test_both_adapters_that_accept_a_freia_network_are_named(dataset):
    with pytest.raises(d3wrap.errors.PluginError, match=r"adapters accept a SequenceINN \(.*flow.*\): name one"):
        d3wrap.adapt(sequence("GLOWCouplingBlock"))


def test_layers_that_initialise_themselves_from_data_see_features_and_not_noise(dataset):
    network = sequence("ActNorm", "GLOWCouplingBlock").double()
    backbone = bind(network, dataset)
    norm = network[0]
    rows = torch.linspace(0, len(dataset.train) - 1, min(256, len(dataset.train))).long()
    seen = dataset.train_features[rows]
    torch.testing.assert_close(norm.scale[0].exp(), 1 / seen.std(0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    backbone.generate(dataset.semantics, rng=stream(0, "z"))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_constant_features_under_such_a_layer_are_reported_with_a_remedy(dataset):
    features = dataset.features.clone()
    features[:, 2] = 0.0
    still = replace(dataset, features=features)
    with pytest.raises(ConfigError, match=r"not finite.*1 of 6 features are constant.*perturbation=0.01"):
        bind(sequence("ActNorm", "GLOWCouplingBlock").double(), still)
    bind(sequence("ActNorm", "GLOWCouplingBlock").double(), still, perturbation=0.01)


# --- faults -------------------------------------------------------------------------------------------


class Broken(Affine):
    """What each fault changes."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def normalise(self, x: Tensor, a: Tensor) -> object:
        z, volume = super().normalise(x, a)
        return {
            "no volume": z,
            "narrow": (z[:, :-1], volume),
            "a column": (z, volume[:, None]),
            "per dimension": (z, -self.log_scale(a)),
            "deaf": (x, 0.0),
            "a list": ([z, z], volume),
        }.get(self.fault, (z, volume))

    def render(self, z: Tensor, a: Tensor) -> object:
        if self.fault == "deaf":
            return z
        x = super().render(z, a)
        return {"half": x / 2, "tall": x[:-1], "nothing": None}.get(self.fault, x)


@pytest.mark.parametrize(
    ("fault", "error", "fragments"),
    [
        ("no volume", ShapeError, ["forward of Broken gave a Tensor", "expected the pair (z, log-determinant)"]),
        ("narrow", ShapeError, ["forward of Broken gave [64, 5] for [64, 6]"]),
        ("a list", ShapeError, ["forward of Broken gave list for [64, 6]"]),
        ("a column", ShapeError, ["log-determinant [64, 1]", "expected [64]"]),
        ("per dimension", ShapeError, ["log-determinant [64, 6]", "sum it over the 6 dimensions"]),
        ("deaf", ConfigError, ["Broken pays no attention to its condition"]),
        ("half", ConfigError, ["inverse of Broken does not undo forward", "apart, x reaches"]),
        ("tall", ShapeError, ["inverse of Broken gave [63, 6] for [64, 6]"]),
        ("nothing", ShapeError, ["inverse of Broken gave NoneType for [64, 6]"]),
    ],
)
def test_what_is_no_conditional_flow_is_refused_with_the_sizes(dataset, fault, error, fragments):
    with pytest.raises(error) as caught:
        bind(Broken(fault).double(), dataset, **CALLS)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("network", "options", "error", "fragments"),
    [
        (lambda: sequence("GLOWCouplingBlock", condition=9), {}, ShapeError,
         ["SequenceINN takes conditions of widths [9]", "width 4: give condition=torch.nn.Linear(4, 9)"]),
        (lambda: graph(condition=9), {}, ShapeError, ["GraphINN takes conditions of widths [9]", "condition="]),
        (lambda: sequence("GLOWCouplingBlock", features=8), {}, ShapeError,
         ["SequenceINN takes inputs of widths [8]", "features of width 6"]),
        (lambda: sequence("GLOWCouplingBlock", condition=None), {}, ConfigError,
         ["SequenceINN takes no condition", "append(..., cond=0, cond_shape=(4,))"]),
        (lambda: graph(conditional=False), {}, ConfigError, ["GraphINN takes no condition", "ConditionNode"]),
        (Affine, {}, ConfigError, ["forward: cannot tell how to call a Affine", "give both forward=lambda net, x, c:"]),
        (Affine, {"forward": CALLS["forward"]}, ConfigError, ["inverse: cannot tell", "inverse=lambda net, z, c: x"]),
        (Affine, {**CALLS, "lrate": 1}, ConfigError, ["adapter 'flow' has no option 'lrate'", "known:"]),
        (Affine, {**CALLS, "perturbation": -1.0}, ConfigError, ["perturbation: expected 0 or more, found -1.0"]),
        (Affine, {**CALLS, "mask": 1.0}, ConfigError, ["mask: expected a probability from 0 to below 1, found 1.0"]),
        (lambda: Affine(semantics=9), CALLS, ShapeError,
         ["Affine cannot be called forward with [64, 6] under a condition [64, 4]", "Give condition="]),
        (Affine, {**CALLS, "condition": nn.Linear(9, 4).double()}, ShapeError,
         ["condition cannot be called with semantics [64, 4]"]),
        (Affine, {**CALLS, "condition": lambda a: a.sum()}, ShapeError, ["condition gave [] for semantics [64, 4]"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_what_to_give(dataset, network, options, error, fragments):
    with pytest.raises(error) as caught:
        bind(network().double(), dataset, **options)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_the_trial_is_in_evaluation_mode_and_leaves_no_trace(dataset):
    network = nn.ModuleDict({"flow": Affine(), "dropout": nn.Dropout(), "frozen": nn.Dropout()}).double()
    network["frozen"].eval()
    calls = {
        "forward": lambda net, x, c: net["flow"].normalise(x, net["dropout"](c)),
        "inverse": lambda net, z, c: net["flow"].render(z, net["dropout"](c)),
    }
    before = torch.get_rng_state()
    # With dropout at work, the inverse would not undo forward.
    d3wrap.adapt(network, adapter="flow", perturbation=0.1, **calls).bind(dataset)
    assert torch.equal(torch.get_rng_state(), before)
    assert (network.training, network["dropout"].training, network["frozen"].training) == (True, True, False)
    assert all(parameter.grad is None for parameter in network.parameters())
