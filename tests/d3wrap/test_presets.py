"""A preset may have a form of its own for one dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

import d3wrap
from d3wrap.cli.plugin_text import describe_plugin
from d3wrap.errors import ConfigError
from d3wrap.manager import LoadedPlugin, Plugins, load_plugins
from d3wrap.specs import BackboneSettings, GeneratorSpec
from d3wrap.wrap import build_generator, resolve_settings


@dataclass(frozen=True)
class Settings(BackboneSettings):
    width: int = 1


PRESETS = {
    "paper": Settings(),
    "paper/CUB": Settings(width=2),
    "small": Settings(steps=5),
    "small/FLO": Settings(steps=7),
}


@pytest.fixture
def plugins():
    clswgan = load_plugins(environ={}).generator("clswgan")
    build = lambda dataset, settings: clswgan.build(dataset, clswgan.presets["small"])  # noqa: E731
    spec = GeneratorSpec("own", "GAN", "one", "none", Settings, PRESETS, build)
    return Plugins([LoadedPlugin("own", spec, (), (spec,))], {})


@pytest.mark.parametrize(
    ("preset", "dataset", "width", "steps"),
    [
        ("paper", "CUB", 2, 4000),
        ("paper", "cub", 2, 4000),
        ("paper", "AWA2", 1, 4000),
        ("paper/CUB", "AWA2", 2, 4000),
        ("small", "CUB", 1, 5),
        ("small", "FLO", 1, 7),
    ],
)
def test_the_form_for_the_dataset_is_taken(plugins, preset, dataset, width, steps):
    data = replace(d3wrap.synthetic(6, 2, 7, 4, 10), name=dataset)
    found = resolve_settings("own", preset, {}, plugins, data)
    assert (found.width, found.steps) == (width, steps)
    built = build_generator("own", data, preset=preset, settings={"width": 3}, plugins=plugins)
    assert (built.settings.width, built.settings.steps) == (3, steps)


def test_without_a_dataset_the_general_form_is_taken(plugins):
    assert resolve_settings("own", "paper", {"steps": 9}, plugins) == Settings(steps=9)


def test_a_preset_of_another_dataset_is_no_preset(plugins):
    with pytest.raises(ConfigError, match="no preset 'paper/SUN'"):
        resolve_settings("own", "paper/SUN", {}, plugins)


def test_show_gives_a_dataset_only_what_differs(plugins):
    loaded = plugins.plugin("own")
    text = describe_plugin(loaded)
    assert "width: int (paper 1, paper/CUB 2, small 1)" in text
    assert "steps: int (paper 4000, small 5, small/FLO 7)" in text
