"""``d3wrap recipes``: how D³ is attached to public codebases."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from d3wrap.cli.group import SubGroup
from d3wrap.recipes import Recipe, load_recipe, load_recipes


@click.group(cls=SubGroup)
def recipes() -> None:
    """List and show recipes for public codebases that you hold a checkout of."""


@recipes.command("list")
def list_() -> None:
    """List recipes: name, title, family, script and commit, and what was tried."""
    for recipe in load_recipes():
        click.echo(f"{recipe.name}: {recipe.title} ({recipe.family})")
        click.echo(f"  {recipe.repository} at {recipe.commit}, {recipe.script}")
        click.echo(textwrap.fill(recipe.tried, 100, initial_indent="  tried: ", subsequent_indent="    "))


@recipes.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a recipe: what to type, the d3.yaml it stands for, the lines to add by hand, versions and shims."""
    click.echo("\n".join(_lines(load_recipe(name))))


def command_of(recipe: Recipe) -> str:
    """Return what to type in the script's folder to run it with D³."""
    shims = f" --compat {','.join(recipe.compat)}" if recipe.compat else ""
    return f"d3wrap run --recipe {recipe.name}{shims} {recipe.script} ARGUMENTS"


def _lines(recipe: Recipe) -> Iterator[str]:
    yield f"{recipe.title} ({recipe.family})"
    yield f"  {recipe.paper}"
    yield f"  {recipe.repository} at {recipe.commit}"
    yield from ("", "Type this in the folder of the checkout, with the script's own ARGUMENTS:")
    typed = command_of(recipe)
    yield f"  {typed}"
    yield f"  {typed.replace('d3wrap run ', 'd3wrap run --arm baseline ')}    # the same without D³, to compare"
    yield f"  {typed.replace('d3wrap run ', 'd3wrap doctor ')}    # only looks whether it fits"
    yield from ("", "The recipe stands for this d3.yaml; copy and change it, and give --plugin-config d3.yaml instead:")
    yield textwrap.indent(recipe.config_text.rstrip(), "  ")
    yield from ("", f"Or add these lines by hand, {recipe.where}:")
    yield textwrap.indent(recipe.lines.rstrip(), "  ")
    yield from ("", f"Shims it needs on current versions: {', '.join(recipe.compat) or 'none'} (docs/compat.md)")
    yield textwrap.fill(recipe.versions, 100, initial_indent="Versions: ", subsequent_indent="  ")
    yield textwrap.fill(recipe.tried, 100, initial_indent="Tried: ", subsequent_indent="  ")
