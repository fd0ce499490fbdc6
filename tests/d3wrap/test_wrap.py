"""Generators by name, and adapters of plugins."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import d3wrap
from d3wrap.errors import ConfigError, PluginError
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.specs import AdapterSpec, BackboneSettings, GeneratorSpec
from d3wrap.wrap import resolve_settings


@dataclass(frozen=True)
class Settings(BackboneSettings):
    width: int = 3


class Plugin:
    """Registers an adapter for convolutions and a generator that draws one number."""

    @hookimpl
    def register_adapters(self, register):
        register(
            AdapterSpec("conv", "", lambda network: isinstance(network, nn.Conv1d), lambda network: ("conv", network))
        )

    @hookimpl
    def register_generators(self, register):
        presets = {"small": Settings(), "large": Settings(width=30)}
        register(GeneratorSpec("mine", "", "", "", Settings, presets, lambda dataset, settings: Drawn(settings)))


class Drawn(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.map = nn.Linear(1, settings.width)


PLUGINS = load_plugins(environ={"D3WRAP_PLUGINS": "gan,stranger"}, extra={"stranger": Plugin()})


def test_the_only_adapter_that_accepts_is_chosen_and_of_several_one_must_be_named():
    convolution = nn.Conv1d(1, 1, 1)
    with pytest.raises(
        PluginError, match=r"2 adapters accept a Conv1d \(conv, gan of conv, gan\): name one with adapter"
    ):
        d3wrap.adapt(convolution, plugins=PLUGINS)
    assert d3wrap.adapt(convolution, adapter="conv", plugins=PLUGINS) == ("conv", convolution)
    options = {"noise_dim": 3, "order": "noise, semantics"}
    assert d3wrap.adapt(nn.Linear(2, 2), plugins=PLUGINS, **options).options.items() >= options.items()
    with pytest.raises(PluginError, match="no adapter is called 'cov'; did you mean 'conv'"):
        d3wrap.adapt(convolution, adapter="cov", plugins=PLUGINS)


def test_without_adapters_it_says_so():
    none = load_plugins(environ={"D3WRAP_PLUGINS": "clswgan"})
    with pytest.raises(PluginError, match=r"0 adapters accept a Linear \(none of none installed\)"):
        d3wrap.adapt(nn.Linear(2, 2), plugins=none)


def test_an_option_the_adapter_does_not_take_is_an_error_of_ours():
    with pytest.raises(ConfigError, match=r"adapter 'conv': .*unexpected keyword argument 'noise_dim'"):
        d3wrap.adapt(nn.Conv1d(1, 1, 1), adapter="conv", plugins=PLUGINS, noise_dim=3)


def test_a_generator_by_name_has_the_presets_settings_with_what_is_changed():
    dataset = d3wrap.synthetic(4, 1, 3, 2, 4)
    found = d3wrap.build_generator("mine", dataset, preset="large", settings={"steps": 9}, plugins=PLUGINS)
    assert found.settings == Settings(steps=9, width=30)
    assert found.map.out_features == 30
    assert d3wrap.build_generator("mine", dataset, plugins=PLUGINS).settings == Settings()
    assert resolve_settings("mine", "large", {"width": 5}, PLUGINS) == Settings(width=5)


def test_its_initial_weights_depend_on_the_seed_alone():
    dataset = d3wrap.synthetic(4, 1, 3, 2, 4)
    before = torch.get_rng_state()
    one, again, other = (
        d3wrap.build_generator("mine", dataset, seed=seed, plugins=PLUGINS).map.weight for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_unknown_names_are_refused():
    dataset = d3wrap.synthetic(4, 1, 3, 2, 4)
    with pytest.raises(PluginError, match="no generator is called 'mien'; did you mean 'mine'"):
        d3wrap.build_generator("mien", dataset, plugins=PLUGINS)
    with pytest.raises(ConfigError, match="generator 'mine' has no preset 'larg'; did you mean 'large'"):
        d3wrap.build_generator("mine", dataset, preset="larg", plugins=PLUGINS)
    with pytest.raises(ConfigError, match="Settings has no setting 'with'; did you mean 'width'"):
        d3wrap.build_generator("mine", dataset, settings={"with": 3}, plugins=PLUGINS)
