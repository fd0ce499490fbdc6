"""docs/tune.md names every option of the search, and says of the default space what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from d3wrap.cli.tune import tune
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.tuning.default_space import filled_space
from d3wrap.tuning.space import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "tune.md").read_text(encoding="utf-8")
OWN = ["--search", "--trials", "--timeout", "--seeds", "--search-seed", "--prune", "--classifier"]
PLUGINS = load_plugins(environ={})


@pytest.mark.parametrize("name", OWN)
def test_options_are_named(name):
    assert f"`{name}" in PAGE
    assert name in {option for parameter in tune.params for option in parameter.opts}


def test_the_default_space_is_the_one_shown():
    spec = PLUGINS.generator("clswgan")
    settings = Settings(spec.presets["small"], D3Settings().resolved())
    space = filled_space({}, settings, spec, PLUGINS)
    for key, values in space.items():
        assert f"| `{key}` | `{values}` |" in PAGE
    assert len(re.findall(r"^\| `(?:set|d3)\.\S+` \| `\S+\.\.\S+` \|", PAGE, re.MULTILINE)) == len(space)


@pytest.mark.parametrize("name", PLUGINS.generators)
def test_what_each_generator_searches_is_listed(name):
    listed = ", ".join(f"`{key}`" for key in PLUGINS.generator(name).search)
    assert f"| {name} | {listed} |" in PAGE
