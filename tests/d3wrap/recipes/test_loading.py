"""What a recipe file must hold, and that every one that ships does."""

import pytest

from d3wrap.compat import SHIMS
from d3wrap.config import load_yaml
from d3wrap.errors import ConfigError
from d3wrap.recipes import Recipe, load_recipe, load_recipes, read_recipe, recipe_names
from d3wrap.recipes.recipe import KEYS
from d3wrap.running.plan import read_plan

EXAMPLE = """\
name: mine
title: My GAN
paper: Somebody et al., Somewhere 2020
repository: https://example.org/mine
commit: 1234567
script: train.py
family: GAN
compat: [cuda, volatile]
versions: written for torch 1.0
where: after the optimizers
lines: |
  import d3wrap

  d3 = d3wrap.attach(netG, data, optimizer=optimizerG)
tried: not at all
config:
  generator: netG       # the network
  optimizer: optimizerG

  data: data
  d3: {formulation: released}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(EXAMPLE)
    return tmp_path


def read(text):
    with open("mine.yaml", "w") as stream:  # noqa: PTH123
        stream.write(text)
    return read_recipe(load_yaml("mine.yaml"), text)


def test_every_key_of_a_recipe_is_read(folder):
    recipe = load_recipe("mine", folder)
    assert recipe.commit == "1234567"
    assert recipe.compat == ("cuda", "volatile")
    assert recipe.lines == "import d3wrap\n\nd3 = d3wrap.attach(netG, data, optimizer=optimizerG)"
    assert recipe.config_text == (
        "generator: netG       # the network\noptimizer: optimizerG\n\ndata: data\nd3: {formulation: released}\n"
    )
    plan = read_plan([recipe.config])
    assert plan.generator.text == "netG"
    assert plan.d3 == {"formulation": "released"}


def test_the_text_of_the_configuration_means_what_the_recipe_does(folder):
    recipe = load_recipe("mine", folder)
    (folder / "d3.yaml").write_text(recipe.config_text)
    assert read_plan([load_yaml("d3.yaml")]).written == read_plan([recipe.config]).written


def test_the_configuration_need_not_stand_last(folder):
    head, _, config = EXAMPLE.partition("config:")
    recipe = read(f"config:{config}# a remark\n{head}")
    assert recipe.config_text.startswith("generator: netG")
    assert recipe.config_text.rstrip().endswith(("released}", "# a remark"))


def test_an_error_in_the_configuration_names_its_line_in_the_recipe(folder):
    recipe = read(EXAMPLE.replace("data: data", "dta: data"))
    with pytest.raises(ConfigError, match=r"mine\.yaml:20: dta: unknown key"):
        read_plan([recipe.config])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: My GAN\n", "", r"mine\.yaml:1: name: the recipe lacks the key 'title'"),
        ("title:", "titel:", r"mine\.yaml:2: titel: unknown key of a recipe; did you mean 'title'"),
        ("title: My GAN", "title:", r"mine\.yaml:2: title: expected text"),
        ("title: My GAN", "title: [a]", "title: expected text"),
        ("compat: [cuda, volatile]", "compat: cuda", r"mine\.yaml:8: compat: expected a list of names"),
        ("compat: [cuda, volatile]", "compat: [3]", "compat: expected a list of names"),
        (EXAMPLE[EXAMPLE.index("config:") :], "config: netG\n", "config: expected the keys of a d3.yaml"),
        ("name: mine", "name: other", "name: expected the file's own name 'mine', found 'other'"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(folder, old, new, message):
    (folder / "mine.yaml").write_text(EXAMPLE.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_recipe("mine", folder)


def test_an_unknown_recipe_is_said_with_those_there_are(folder):
    with pytest.raises(ConfigError, match=r"no recipe is called 'mint'; did you mean 'mine'\? \(known: mine\)"):
        load_recipe("mint", folder)
    assert recipe_names(folder) == ["mine"]
    assert [recipe.name for recipe in load_recipes(folder)] == ["mine"]


# --- those that ship


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_is_complete(name):
    recipe = load_recipe(name)
    assert isinstance(recipe, Recipe)
    plan = read_plan([recipe.config])
    assert plan.optimizer
    assert set(recipe.compat) <= set(SHIMS)
    assert recipe.repository.startswith("https://github.com/")
    assert len(recipe.commit) >= 7
    assert "d3wrap.attach(" in recipe.lines
    compile(recipe.lines, name, "exec")


def test_a_recipe_has_no_other_keys_than_those_described():
    assert set(KEYS) == set(load_yaml_keys())


def load_yaml_keys():
    return [line.partition(":")[0] for line in EXAMPLE.splitlines() if line[:1].strip()]
