"""Recipes: how D³ is attached to public codebases, one YAML each; none holds a line of theirs."""

from d3wrap.recipes.loading import load_recipe, load_recipes, recipe_names
from d3wrap.recipes.recipe import Recipe, read_recipe

__all__ = ["Recipe", "load_recipe", "load_recipes", "read_recipe", "recipe_names"]
