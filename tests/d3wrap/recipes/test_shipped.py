"""What each recipe that ships says, as far as it can be checked without the code it is for."""

import ast
import inspect

import pytest

import d3wrap
from d3wrap.config import ConfigDocument
from d3wrap.recipes import load_recipes
from d3wrap.running.plan import Plan, read_plan
from d3wrap.settings import D3Settings

RECIPES = load_recipes()
FAMILIES = {"GAN", "VAE-GAN", "VAE", "flow", "diffusion"}


def attach_call(lines: str) -> ast.Call:
    """Return the one call of ``d3wrap.attach`` among lines to add by hand."""
    calls = [node for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Call)]
    (found,) = [call for call in calls if ast.unparse(call.func) == "d3wrap.attach"]
    return found


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_lines_to_add_attach_with_arguments_that_exist(recipe):
    call = attach_call(recipe.lines)
    known = {*inspect.signature(d3wrap.attach).parameters, *vars(D3Settings())}
    assert {word.arg for word in call.keywords} <= known
    assert "optimizer" in {word.arg for word in call.keywords}
    assert "import d3wrap" in recipe.lines


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_lines_and_configuration_share_the_gradient_share(recipe):
    by_hand = {
        word.arg: ast.literal_eval(word.value)
        for word in attach_call(recipe.lines).keywords
        if word.arg == "gradient_share"
    }
    assert by_hand == dict(read_plan([recipe.config]).d3)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_says_what_was_tried_for_which_commit(recipe):
    assert len(recipe.commit) >= 7
    assert recipe.commit in recipe.tried
    assert recipe.repository.startswith("https://github.com/")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_names_the_optimizer_rather_than_leave_it_to_be_found(recipe):
    assert isinstance(recipe.config, ConfigDocument)
    plan: Plan = read_plan([recipe.config])
    assert len(plan.optimizer) == 1


def test_there_is_a_recipe_for_every_family():
    assert {recipe.family for recipe in RECIPES} == FAMILIES
