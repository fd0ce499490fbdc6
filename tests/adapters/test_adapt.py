"""What d3wrap.adapt makes of foreign networks, and what it says where it cannot."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.callable import CallableGenerator
from d3wrap.arguments import argument_order
from d3wrap.errors import ConfigError, PluginError, ShapeError

NOISE, SEMANTICS, FEATURES = 5, 4, 7


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 10)


class Foreign(nn.Module):
    """A generator as one finds them."""

    def __init__(self, noise: int = NOISE, semantics: int = SEMANTICS, features: int = FEATURES) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(noise + semantics, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, features))

    def forward(self, noise: Tensor, att: Tensor) -> object:
        return self.net(torch.cat([noise, att], 1))


class Swapped(Foreign):
    def forward(self, att: Tensor, z: Tensor) -> object:
        return super().forward(z, att)


class Nameless(Foreign):
    def forward(self, x: Tensor, y: Tensor) -> object:
        return super().forward(x, y)


class Tupled(Foreign):
    def forward(self, noise: Tensor, att: Tensor) -> object:
        return super().forward(noise, att), att


class Pictures(Foreign):
    def forward(self, noise: Tensor, att: Tensor) -> object:
        return super().forward(noise, att)[:, None]


class Unshaped(Foreign):
    def forward(self, noise: Tensor, att: Tensor) -> object:
        return self.net[1](noise[:, :, None, None])  # BatchNorm1d raises a ValueError


class Named(Foreign):
    def forward(self, noise: Tensor, att: Tensor) -> object:
        return {"features": super().forward(noise, att)}


class Pooled(Foreign):
    def forward(self, noise: Tensor, att: Tensor) -> object:
        return super().forward(noise, att).mean(0, keepdim=True)


def forward_with(*names: str) -> nn.Module:
    scope: dict[str, object] = {}
    exec(f"def forward(self, {', '.join(names)}): pass", scope)
    return type("Net", (nn.Module,), {"forward": scope["forward"]})()


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("noise", "att"), "noise, semantics"),
        (("Z", "C"), "noise, semantics"),
        (("z", "att", "labels"), "noise, semantics"),
        (("attributes", "noise"), "semantics, noise"),
        (("semantics", "eps=None"), "semantics, noise"),
    ],
)
def test_the_names_of_the_arguments_tell_their_order(names, order):
    assert argument_order(forward_with(*names)) == order


@pytest.mark.parametrize(
    "names", [("x", "y"), ("noise", "y"), ("z", "noise"), ("att", "c"), ("z",), ("*inputs",), ("*", "noise", "att")]
)
def test_names_that_do_not_tell_are_an_error_that_says_what_to_give(names):
    shown = ", ".join(n for n in names if not n.startswith("*") and "*" not in names)
    with pytest.raises(ConfigError, match=re.escape(f"Net.forward({shown}): give order='noise, semantics' or order='")):
        argument_order(forward_with(*names))


@pytest.mark.parametrize(
    ("network", "options"),
    [(Foreign, {}), (Swapped, {}), (Tupled, {}), (Nameless, {"order": "noise, semantics"})],
)
def test_noise_and_semantics_reach_their_arguments(dataset, network, options):
    torch.manual_seed(0)
    foreign = network().eval()
    generator = CallableGenerator(foreign, noise_dim=NOISE, **options)
    found = generator.generate(dataset.semantics, rng=torch.Generator().manual_seed(3))
    noise = torch.randn(len(dataset.semantics), NOISE, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, foreign.net(torch.cat([noise, dataset.semantics], 1)))
    assert found.requires_grad


class Keyworded(Foreign):
    """Takes the semantics by name only, behind an argument of its own, as TF-VAEGAN's generator does."""

    def forward(self, z: Tensor, strength: object = None, c: Tensor | None = None) -> object:
        assert strength is None
        assert c is not None
        return super().forward(z, c)


def test_a_network_of_another_convention_is_called_as_it_says(dataset):
    foreign = Keyworded().eval()
    backbone = bind(foreign, dataset, call=lambda network, noise, semantics: network(noise, c=semantics))
    found = backbone.generate(dataset.semantics, rng=torch.Generator().manual_seed(3))
    noise = torch.randn(len(dataset.semantics), NOISE, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, foreign.net(torch.cat([noise, dataset.semantics], 1)))


def bind(network: object, dataset: d3wrap.GZSLDataset, **options: object) -> d3wrap.Backbone:
    return d3wrap.adapt(network, **{"noise_dim": NOISE, **options}).bind(dataset)


@pytest.mark.parametrize(
    ("network", "options", "error", "fragments"),
    [
        (Foreign(), {"critic_hiden": 8}, ConfigError, ["'gan' has no option 'critic_hiden'", "mean 'critic_hidden'?"]),
        (Foreign(), {"feature_dim": 8}, ConfigError, ["'gan' has no option 'feature_dim'", "known:"]),
        (Foreign(), {"noise_dim": 0}, ConfigError, ["noise_dim: expected 1 or more, found 0"]),
        (Foreign(), {"order": "noise"}, ConfigError, ["order: expected 'noise, semantics'", "found 'noise'"]),
        (Foreign(), {"noise_dim": 6}, ShapeError, ["Foreign cannot be called", "noise 6 and semantics 4", "Give the"]),
        (Nameless(), {}, ConfigError, ["cannot tell noise from semantics in Nameless.forward(x, y)", "give order="]),
        (Foreign(features=9), {}, ShapeError, ["features of width 9", "'synthetic' has width 7", "has 7 outputs"]),
        (Pictures(), {}, ShapeError, ["Pictures gave (2, 1, 7) for 2 rows", "expected features [n, d]"]),
        (Pooled(), {}, ShapeError, ["Pooled gave (1, 7) for 2 rows"]),
        (Named(), {}, ConfigError, ["Named gave a dict of 'features': (2, 7)", "e.g. output='features'"]),
        (nn.BatchNorm1d(4), {"order": "semantics, noise"}, ShapeError, ["BatchNorm1d cannot be called", "noise 5"]),
        (Unshaped(), {}, ShapeError, ["Unshaped cannot be called", "expected 2D or 3D input"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_what_cannot_be_adapted_says_why_and_what_to_do(dataset, network, options, error, fragments):
    with pytest.raises(error) as caught:
        bind(network, dataset, **options)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_the_wrong_order_is_found_by_the_widths(dataset):
    with pytest.raises(ShapeError, match=r"Deep cannot be called with \(semantics, noise\) of widths noise 5 and sem"):
        bind(Deep(), dataset, order="semantics, noise")


class Deep(nn.Module):
    """Projects noise and semantics apart, so that their widths cannot be mixed up."""

    def __init__(self) -> None:
        super().__init__()
        self.noise, self.semantics = nn.Linear(NOISE, FEATURES), nn.Linear(SEMANTICS, FEATURES)

    def forward(self, noise: Tensor, att: Tensor) -> Tensor:
        return self.noise(noise) + self.semantics(att)


def test_the_noise_width_must_be_given():
    with pytest.raises(ConfigError, match=r"^adapter 'gan' needs noise_dim: adapt\(network, noise_dim=…\)$"):
        d3wrap.adapt(Foreign())


def test_options_given_are_told_beside_the_one_that_is_missing():
    with pytest.raises(ConfigError, match=r"^adapter 'gan' needs noise_dim: .*, found noise_dims$"):
        d3wrap.adapt(Foreign(), noise_dims=3, order=None)


def test_only_networks_are_accepted_and_only_known_adapters():
    with pytest.raises(PluginError, match=r"0 adapters accept a function \(none of .*gan.*\): name one with"):
        d3wrap.adapt(lambda noise, att: noise, noise_dim=3)
    with pytest.raises(PluginError, match="no adapter is called 'gam'; did you mean 'gan'"):
        d3wrap.adapt(Foreign(), adapter="gam", noise_dim=3)


class Drawing(Foreign):
    """Draws from torch's global stream, and has a frozen layer that stays in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net[1].eval()

    def forward(self, noise: Tensor, att: Tensor) -> object:
        return super().forward(noise + torch.rand_like(noise), att)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("network", [Foreign, Drawing])
def test_the_trial_call_leaves_no_trace(dataset, network, training):
    foreign = network()
    if not training:
        foreign.eval()
    modes = {name: module.training for name, module in foreign.named_modules()}
    state = {name: value.clone() for name, value in foreign.state_dict().items()}
    adapted = d3wrap.adapt(foreign, noise_dim=NOISE, critic_hidden=4)
    with torch.random.fork_rng(devices=[]):
        adapted.bind(dataset)
        with_probe = torch.get_rng_state()
    with torch.random.fork_rng(devices=[]):
        without_probe = bound_without_probe(foreign, dataset)
    assert torch.equal(with_probe, without_probe)
    assert {name: module.training for name, module in foreign.named_modules()} == modes
    for name, value in foreign.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert all(parameter.grad is None for parameter in foreign.parameters())


def bound_without_probe(foreign: nn.Module, dataset: d3wrap.GZSLDataset) -> Tensor:
    """Draw what the critic's initialisation draws, and return torch's global state."""
    from d3wrap.adapters.critic import Critic

    Critic(FEATURES, SEMANTICS, 4)
    return torch.get_rng_state()


def test_a_trial_call_that_fails_restores_the_modes_too(dataset):
    foreign = Foreign(features=9)
    foreign.net[1].eval()
    with pytest.raises(ShapeError):
        bind(foreign, dataset)
    assert foreign.training
    assert not foreign.net[1].training


def test_the_trial_call_is_in_the_networks_own_number_format(dataset):
    backbone = bind(Foreign().double(), dataset)
    assert next(backbone.generator.parameters()).dtype == torch.float64


def test_the_options_reach_the_backbone(dataset):
    backbone = bind(Foreign(), dataset, critic_hidden=11, critic_steps=2, lr=3e-3, name="mine", penalty_weight=4.0)
    critic, generator = backbone.phases()
    assert backbone.name == "mine"
    assert backbone.critic.from_features.out_features == 11
    assert (critic.repeats, critic.lr, generator.repeats, generator.lr) == (2, 3e-3, 1, 3e-3)
    assert (critic.enhanced, generator.enhanced) == (False, True)
    assert backbone.penalty_weight == 4.0


@pytest.mark.parametrize("options", [{"noise_dim": 0}, {"noise_dim": NOISE, "order": "att, z"}])
def test_what_needs_no_dataset_is_refused_before_there_is_one(options):
    with pytest.raises(ConfigError, match=next(reversed(options))):
        d3wrap.adapt(Foreign(), **options)
