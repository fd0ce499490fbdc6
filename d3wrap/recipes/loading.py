"""Find the recipes that ship with d3wrap."""

from __future__ import annotations

from pathlib import Path

from d3wrap.config import load_yaml
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.recipes.recipe import Recipe, read_recipe

FOLDER = Path(__file__).parent


def recipe_names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_recipe(name: str, folder: Path = FOLDER) -> Recipe:
    """Read one recipe; raises ``ConfigError`` for a name that is unknown or differs from the file's own."""
    names = recipe_names(folder)
    if name not in names:
        raise ConfigError(f"no recipe is called {name!r}{did_you_mean(name, names)}")
    path = folder / f"{name}.yaml"
    document = load_yaml(path)
    recipe = read_recipe(document, path.read_text(encoding="utf-8"))
    if recipe.name != name:
        raise document.error(f"expected the file's own name {name!r}, found {recipe.name!r}", "name")
    return recipe


def load_recipes(folder: Path = FOLDER) -> list[Recipe]:
    """Read all recipes, sorted by name."""
    return [load_recipe(name, folder) for name in recipe_names(folder)]
