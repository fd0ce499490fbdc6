"""Networks of every calling convention: further inputs, several outputs, and what is said where one does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.callable import CallableGenerator, probe
from d3wrap.arguments import check_arguments
from d3wrap.errors import ConfigError, D3WrapError, ShapeError
from d3wrap.outputs import described, features_in, parts_of

NOISE, SEMANTICS, FEATURES = 5, 4, 7


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 10)


class Base(nn.Module):
    """A linear map of noise and semantics side by side; each subclass has a convention of its own."""

    def __init__(self, features: int = FEATURES) -> None:
        super().__init__()
        self.net = nn.Linear(NOISE + SEMANTICS, features)

    def of(self, noise: Tensor, semantics: Tensor) -> Tensor:
        return self.net(torch.cat([noise, semantics], 1))


class Keywords(Base):
    def forward(self, *, code: Tensor, cond: Tensor) -> Tensor:
        return self.of(code, cond)


class Images(Base):
    """Takes noise [n, z, 1, 1] and a time step, gives features [n, d, 1, 1], as convolutional generators do."""

    def forward(self, noise: Tensor, time: Tensor, att: Tensor) -> Tensor:
        assert noise.shape[1:] == (NOISE, 1, 1)
        assert time.shape == (len(att),)
        return self.of(noise[:, :, 0, 0], att)[:, :, None, None]


class Labelled(Base):
    """Looks the semantics up by class."""

    def __init__(self, semantics: Tensor) -> None:
        super().__init__()
        self.register_buffer("semantics", semantics)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.of(z, self.semantics[y])


class Concatenated(Base):
    def forward(self, both: Tensor) -> Tensor:
        return self.net(both)


def conventions(dataset: d3wrap.GZSLDataset) -> dict[str, tuple[Base, dict[str, Any]]]:
    table = dataset.semantics

    def labelled(network: nn.Module, noise: Tensor, semantics: Tensor) -> object:
        return network(noise, torch.cdist(semantics, table).argmin(1))

    return {
        "keywords": (Keywords(), {"call": lambda g, noise, semantics: g(code=noise, cond=semantics)}),
        "pictures": (Images(), {"call": lambda g, z, a: g(z[:, :, None, None], torch.zeros(len(z)), a)}),
        "labels": (Labelled(table), {"call": labelled}),
        "one input": (Concatenated(), {"call": lambda g, z, a: g(torch.cat([z, a], 1))}),
    }


@pytest.mark.parametrize("which", ["keywords", "pictures", "labels", "one input"])
def test_call_settles_any_convention(dataset, which):
    network, options = conventions(dataset)[which]
    backbone = d3wrap.adapt(network, noise_dim=NOISE, critic_hidden=4, **options).bind(dataset)
    found = backbone.generate(dataset.semantics, rng=torch.Generator().manual_seed(3))
    noise = torch.randn(len(dataset.semantics), NOISE, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, network.of(noise, dataset.semantics))
    found.sum().backward()
    assert network.net.weight.grad.any()


class Several(NamedTuple):
    mean: Tensor
    features: Tensor


@dataclass
class Record:
    mean: Tensor
    features: Tensor


@dataclass(slots=True)
class Slotted:
    mean: Tensor
    features: Tensor


class Thing:
    def __init__(self, mean: Tensor, features: Tensor) -> None:
        self.mean, self.features = mean, features


class Lazy:
    """Keeps its parts out of ``vars``."""

    __slots__ = ("parts",)

    def __init__(self, mean: Tensor, features: Tensor) -> None:
        self.parts = (mean, features)

    @property
    def features(self) -> Tensor:
        return self.parts[1]


class Extra(Base):
    """Returns a 3-wide mean and the features, packed as it was told."""

    def __init__(self, pack: Callable[[Tensor, Tensor], object]) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, noise: Tensor, att: Tensor) -> object:
        return self.pack(noise[:, :3], self.of(noise, att))


PACKS = [
    (lambda mean, features: (mean, features), 1),
    (lambda mean, features: (mean, features), -1),
    (lambda mean, features: [mean, features], 1),
    (lambda mean, features: (features, mean), None),
    (lambda mean, features: {"mean": mean, "x": features}, "x"),
    (lambda mean, features: {0: mean, 1: features}, 1),
    (Several, 1),
    (Several, "features"),
    (Record, "features"),
    (Slotted, "features"),
    (Thing, "features"),
    (Lazy, "features"),
    (lambda mean, features: features, "features"),
]


@pytest.mark.parametrize(("pack", "output"), PACKS)
def test_output_names_the_features_among_several_outputs(dataset, pack, output):
    network = Extra(pack)
    generator = CallableGenerator(network, noise_dim=NOISE, output=output)
    probe(generator, dataset)
    noise = torch.randn(len(dataset.semantics), NOISE)
    torch.testing.assert_close(generator(noise, dataset.semantics), network.of(noise, dataset.semantics))


def test_output_and_call_reach_the_backbone_and_it_trains(dataset):
    network = Extra(Record)
    options = {"call": lambda g, z, a: g(z, att=a), "output": "features", "critic_hidden": 8}
    d3 = d3wrap.enhance(d3wrap.adapt(network, noise_dim=NOISE, **options), dataset, teacher_epochs=1, embedding_dim=8)
    before = network.net.weight.detach().clone()
    d3.fit(steps=2, batch_size=8)
    assert not torch.equal(network.net.weight, before)


def adapted(network: nn.Module, dataset: d3wrap.GZSLDataset, options: Mapping[str, Any]) -> None:
    d3wrap.adapt(network, **{"noise_dim": NOISE, **options}).bind(dataset)


class Three(Base):
    def forward(self, noise: Tensor, att: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        return self.of(noise, att)


class Reaching(Base):
    def forward(self, noise: Tensor, att: Tensor, *, step: int) -> Tensor:
        return self.of(noise, att)


class Failing(Base):
    def forward(self, noise: Tensor, att: Tensor) -> Tensor:
        raise KeyError("weights")


def first_two(network: nn.Module, noise: Tensor) -> object:
    return network(noise)


FAULTS: list[tuple[nn.Module, dict[str, Any], type[D3WrapError], list[str]]] = [
    (Three(), {}, ConfigError, ["Three.forward needs noise, att, labels, and d3wrap has noise and semantics", "call="]),
    (Three(), {"order": "noise, semantics"}, ConfigError, ["Three.forward needs noise, att, labels,"]),
    (Reaching(), {}, ConfigError, ["Reaching.forward needs noise, att, step", "call=lambda network, noise, semantics"]),
    (Keywords(), {}, ConfigError, ["Keywords.forward needs code, cond"]),
    (Base(), {"call": "forward"}, ConfigError, ["call: expected call=lambda", "found 'forward'"]),
    (Images(), {"call": first_two}, ShapeError, ["Images cannot be called by call= with widths noise 5 and sem"]),
    (Failing(), {}, ShapeError, ["Failing cannot be called with (noise, semantics) of widths noise 5", "'weights'"]),
    (Failing(), {"call": lambda g, z, a: g(z, a)}, ShapeError, ["by call= with", "KeyError: 'weights'", "noise_dim"]),
    (Extra(Several), {"output": 2}, ConfigError,
     ["output=2: Extra gave a Several of 'mean': (2, 3), 'features': (2, 7), expected one of these"]),
    (Extra(Record), {"output": "featurs"}, ConfigError, ["output='featurs'", "'mean': (2, 3), 'features': (2, 7)"]),
    (Extra(Record), {"output": 1}, ConfigError, ["output=1: Extra gave a Record of"]),
    (Extra(Slotted), {}, ConfigError, ["Extra gave a Slotted of 'mean': (2, 3), 'features': (2, 7)"]),
    (Extra(Record), {}, ConfigError, ["Extra gave a Record of 'mean'", "which are the features, e.g. output='mean'"]),
    (Extra(lambda mean, x: {"m": mean, "x": x}), {"output": "keys"}, ConfigError, ["a dict of 'm': (2, 3), 'x'"]),
    (Extra(lambda mean, x: ()), {}, ShapeError, ["Extra gave tuple for 2 rows"]),
    (Extra(lambda mean, x: None), {}, ShapeError, ["Extra gave NoneType for 2 rows"]),
    (Extra(lambda mean, x: (mean, x)), {}, ShapeError,
     ["features of width 3 (of a tuple of 0: (2, 3), 1: (2, 7))", "has width 7: name another part with output="]),
    (Extra(lambda mean, x: {"m": [mean], "x": x}), {"output": "m"}, ShapeError, ["Extra gave list for 2 rows"]),
    (Extra(lambda mean, x: x[:, None, :, None]), {}, ShapeError, ["Extra gave (2, 1, 7, 1) for 2 rows"]),
]  # fmt: skip


@pytest.mark.parametrize(("network", "options", "error", "fragments"), FAULTS)
def test_what_does_not_fit_names_what_was_seen_and_what_to_give(dataset, network, options, error, fragments):
    with pytest.raises(error) as caught:
        adapted(network, dataset, options)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_further_arguments_with_defaults_are_left_alone():
    class Optional(Base):
        def forward(self, noise: Tensor, att: Tensor, scale: float = 1.0, *rest: object, flag: bool = True) -> Tensor:
            return self.of(noise, att)

    check_arguments(Optional())
    assert CallableGenerator(Optional(), noise_dim=NOISE).order == "noise, semantics"


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_traced_network_has_no_names_and_needs_its_order(dataset):
    class Plain(Base):
        def forward(self, noise: Tensor, att: Tensor) -> Tensor:
            return self.of(noise, att)

    traced = torch.jit.trace(Plain(), (torch.zeros(2, NOISE), torch.zeros(2, SEMANTICS)), check_trace=False)
    with pytest.raises(ConfigError, match="give order="):
        CallableGenerator(traced, noise_dim=NOISE)
    probe(CallableGenerator(traced, noise_dim=NOISE, order="noise, semantics"), dataset)


@pytest.mark.parametrize("shape", [(3, 7), (3, 7, 1), (3, 7, 1, 1)])
def test_trailing_ones_are_flattened(shape):
    values = torch.arange(21.0)
    generator = CallableGenerator(Base(), noise_dim=NOISE, order="noise, semantics")
    assert torch.equal(generator.checked(values.reshape(shape), torch.zeros(3, 2)), values.reshape(3, 7))


def test_one_feature_of_width_one_keeps_its_row():
    generator = CallableGenerator(Base(), noise_dim=NOISE, order="noise, semantics")
    assert generator.checked(torch.ones(1, 1, 1, 1), torch.zeros(1, 2)).shape == (1, 1)


def test_parts_and_their_description():
    x = torch.zeros(2, 3)
    assert parts_of((x, "b")) == {0: x, 1: "b"}
    assert parts_of(None) == {}
    assert described({"x": x, "n": 3}) == "a dict of 'x': (2, 3), 'n': int"
    assert described([]) == "a list of nothing"
    assert described(x) == "(2, 3)"
    assert features_in(x, 1, "Net") is x
