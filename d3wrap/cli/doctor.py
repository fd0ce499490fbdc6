"""``d3wrap doctor``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from d3wrap.cli.script_options import ScriptCommand, compat_option, plan_of, script_arguments, script_options, shims_of


@click.command(cls=ScriptCommand)
@script_options
@compat_option
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="How long to look for the generator after the script's first optimizer step.",
)
@script_arguments
@click.pass_context
def doctor(context: click.Context, script: Path, arguments: tuple[str, ...], seconds: float, **options: Any) -> None:
    """Say whether and how D³ fits a training script, without training.

    Runs SCRIPT with its ARGUMENTS up to the first step of the optimizer that D³ goes to, which is not made, and prints
    what was found out. Without --plugin-config or --recipe it looks for generator, optimizer and data itself and
    proposes a d3.yaml.

    \b
    Start here:
      d3wrap doctor train.py --dataset CUB
      d3wrap doctor --plugin-config d3.yaml train.py --dataset CUB

    What the script prints goes to stderr. Exit code 0 where D³ can be attached, else 1. d3wrap writes no file; what
    the script itself does before it trains is done.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    from d3wrap.running.doctor import Doctor
    from d3wrap.running.environment import environment

    asked = options["plugin_config"] is not None or options["recipe"] is not None
    plan = plan_of(options)[0] if asked else None
    _, shims = shims_of(options["compat"])
    with shims():
        diagnosis = Doctor(script, arguments, plan, seconds).examine()
    click.echo("versions: " + ", ".join(f"{name} {version}" for name, version in environment().items()))
    click.echo("\n".join(diagnosis.lines))
    if diagnosis.proposal is not None:
        click.echo(f"\nProposed d3.yaml:\n\n{diagnosis.proposal.text}")
        typed = shlex.join([str(script), *arguments])
        shims_typed = f"--compat={options['compat']} " if options["compat"] else ""
        what = "Save it as d3.yaml" if diagnosis.proposal.complete else "Fill it in, save it as d3.yaml"
        click.echo(f"{what}, and type: d3wrap run --plugin-config d3.yaml {shims_typed}{typed}")
    context.exit(0 if diagnosis.attachable else 1)
