"""``d3wrap plugins``: what is installed, what it does, and whether it keeps its contract."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from d3wrap.cli.group import SubGroup
from d3wrap.plugin_discovery import installed_plugins

if TYPE_CHECKING:
    from d3wrap.contract import Check


@click.group(cls=SubGroup)
def plugins() -> None:
    """List, show and check plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List installed plugins without importing them."""
    found = [dataclasses.asdict(plugin) for plugin in installed_plugins()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [("name", "distribution", "version", "target", "status"), *(tuple(row.values()) for row in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@plugins.command()
@click.argument("name")
def show(name: str) -> None:
    """Show what a plugin registers and which hooks it implements."""
    from d3wrap.cli.plugin_text import describe_plugin
    from d3wrap.manager import load_plugin

    click.echo(describe_plugin(load_plugin(name)))


@plugins.command("check")
@click.argument("name")
@click.pass_context
def check_(context: click.Context, name: str) -> None:
    """Load a plugin and run the contract checks on what it registers; exit code 1 if one fails."""
    from d3wrap.contract_encoder import encoder_checks
    from d3wrap.contract_generator import generator_checks
    from d3wrap.contract_objective import objective_checks
    from d3wrap.errors import PluginError
    from d3wrap.manager import load_plugin
    from d3wrap.specs import EncoderSpec, GeneratorSpec, ObjectiveSpec

    try:
        loaded = load_plugin(name)
    except PluginError as error:
        click.echo(f"✗ loads: {error}")
        context.exit(1)
    click.echo(f"✓ loads and implements {', '.join(hook.hook for hook in loaded.hooks)}")
    faults = 0
    for spec in loaded.specs:
        click.echo(f"✓ registers {spec.name}")
        done: Iterator[Check] = iter(())
        if isinstance(spec, GeneratorSpec):
            done = generator_checks(spec)
        elif isinstance(spec, ObjectiveSpec):
            done = objective_checks(spec)
        elif isinstance(spec, EncoderSpec) and spec.required:
            click.echo(
                f"- {spec.name} is not tried: it needs {', '.join(spec.required)} (d3wrap.testing.check_encoder)"
            )
        elif isinstance(spec, EncoderSpec):
            done = encoder_checks(spec)
        for check in done:
            faults += check.fault is not None
            click.echo(f"✗ {spec.name} {check.name}: {check.fault}" if check.fault else f"✓ {spec.name} {check.name}")
    if faults:
        context.exit(1)
