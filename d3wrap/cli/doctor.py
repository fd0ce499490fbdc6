"""``d3wrap doctor``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from d3wrap.cli.script_options import (
    ALL,
    ScriptCommand,
    compat_option,
    plan_of,
    script_arguments,
    script_options,
    shims_of,
)

if TYPE_CHECKING:
    from d3wrap.compat import Finding
    from d3wrap.running.doctor import Diagnosis


@click.command(cls=ScriptCommand)
@script_options
@compat_option
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to look after the script's first optimizer step, e.g. where it trains a classifier first.",
)
@script_arguments
@click.pass_context
def doctor(context: click.Context, script: Path, arguments: tuple[str, ...], seconds: float, **options: Any) -> None:
    """Say whether and how D³ fits a training script, without training.

    Runs SCRIPT with its ARGUMENTS up to the first step of the optimizer that D³ goes to, which is not made, and prints
    what was found out. Without --plugin-config or --recipe it looks for generator, optimizer and data itself, tries
    them, and proposes a d3.yaml.

    \b
    Start here:
      d3wrap doctor train.py --dataset CUB
      d3wrap doctor --plugin-config d3.yaml train.py --dataset CUB

    What the script prints goes to stderr. Exit code 0 where D³ can be attached, else 1. d3wrap writes no file; what
    the script itself does before it trains is done.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    from d3wrap.compat import scan
    from d3wrap.running.doctor import Doctor
    from d3wrap.running.environment import environment

    asked = options["plugin_config"] is not None or options["recipe"] is not None
    plan = plan_of(options)[0] if asked else None
    names, shims = shims_of(options["compat"])
    findings = scan(script)
    click.echo("versions: " + ", ".join(f"{name} {version}" for name, version in environment().items()))
    with shims():
        diagnosis = Doctor(script, arguments, plan, seconds).examine()
    lacking = _lacking(findings, names)
    click.echo("\n".join([*_on_versions(findings, lacking), "", *diagnosis.lines]))
    for line in _next(diagnosis, [str(script), *arguments], names, lacking, options):
        click.echo(line)
    context.exit(0 if diagnosis.attachable else 1)


def _lacking(findings: Sequence[Finding], names: Sequence[str]) -> list[str]:
    """Return the shims that the sources call for and that were not switched on."""
    return list(dict.fromkeys(one.shim for one in findings if one.shim and one.shim not in names))


def _on_versions(findings: Sequence[Finding], lacking: Sequence[str]) -> Iterator[str]:
    """Say what the sources use of old versions, and which shims supply it."""
    if findings:
        yield "In the sources, of old versions or not on this machine:"
        yield from (f"  {one}" for one in findings)
    if lacking:
        yield f"Shims for these, where the script fails without: --compat {','.join(lacking)}"


def _next(
    diagnosis: Diagnosis, script: Sequence[str], names: Sequence[str], lacking: Sequence[str], options: dict[str, Any]
) -> Iterator[str]:
    """Say what to type next."""
    proposal = diagnosis.proposal
    typed = shlex.join(script)
    everything = options["compat"] == ALL
    shims = "--compat " if everything else f"--compat {','.join(names)} " if names else ""
    if proposal is not None:
        yield f"\nProposed d3.yaml:\n\n{proposal.text}"
    if diagnosis.attachable and proposal is None:
        source = f"--recipe {options['recipe']} " if options["recipe"] else ""
        source += f"--plugin-config {options['plugin_config']} " if options["plugin_config"] else ""
        yield f"\nD³ can be attached. Type: d3wrap run {source}{shims}{typed}"
    elif diagnosis.attachable:
        yield "D³ can be attached with it."
        yield f"Save it as d3.yaml, and type: d3wrap run --plugin-config d3.yaml {shims}{typed}"
    elif proposal is not None:
        yield f"Correct it, save it as d3.yaml, and type: d3wrap doctor --plugin-config d3.yaml {shims}{typed}"
    elif lacking:
        yield f"\nTry with the shims: d3wrap doctor --compat {','.join([*names, *lacking])} {typed}"
