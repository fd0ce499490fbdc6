"""``d3wrap run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from d3wrap.cli import prepare
from d3wrap.cli.script_options import ScriptCommand, compat_option, plan_of, script_arguments, script_options, shims_of
from d3wrap.files import write_json


@click.command(cls=ScriptCommand)
@script_options
@compat_option
@click.option(
    "--arm",
    type=click.Choice(["enhanced", "baseline"]),
    default="enhanced",
    show_default=True,
    help="baseline: D³ is attached and paused; the script trains as it would alone, and is measured the same way.",
)
@click.option("--evaluate/--no-evaluate", default=True, help="Measure the generator when the script has ended.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for results.json.")
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of an earlier run, to print the change from there.",
)
@click.option("--overwrite", is_flag=True, help="Remove what an earlier run left in --out.")
@click.option("--explain", is_flag=True, help="Say in plain words what this will do, and do nothing.")
@script_arguments
@click.pass_context
def run(context: click.Context, script: Path, arguments: tuple[str, ...], **options: Any) -> None:
    """Run a training script that knows nothing of D³, with D³ attached to it.

    SCRIPT runs as `python SCRIPT ARGUMENTS` would, unchanged: options after it are its own. D³ is attached when the
    objects that the d3.yaml names exist and an optimizer steps, and the generator is measured at the end.

    \b
    Start here:
      d3wrap doctor train.py --dataset CUB                           # proposes a d3.yaml
      d3wrap run --plugin-config d3.yaml --arm baseline --out runs/plain train.py --dataset CUB
      d3wrap run --plugin-config d3.yaml --against runs/plain --out runs/d3 train.py --dataset CUB

    Everything d3wrap says goes to stderr. The exit code is the script's; 1 where D³ could not be attached.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    from d3wrap.running.against import read_record
    from d3wrap.running.explain import explain
    from d3wrap.running.run import RunOptions
    from d3wrap.running.run import run as run_script

    plan, recipe = plan_of(options)
    names, shims = shims_of(options["compat"])
    out, against = options["out"], options["against"]
    if against is not None:
        read_record(against)  # or the mistake would show only when the script is done
    chosen = RunOptions(
        script=script,
        arguments=arguments,
        plan=plan,
        arm=options["arm"],
        evaluate=options["evaluate"],
        out=None if out is None else out.absolute(),
        against=None if against is None else against.absolute(),
        command=sys.argv,
        recipe=recipe,
        compat=names,
        debug=bool(context.find_root().params.get("debug")),
        shims=shims,
    )
    if options["explain"]:
        click.echo(explain(chosen))
        return
    if out is not None:
        folder = prepare.new_folder(out, options["overwrite"], "run")
        write_json(folder / prepare.MARK, {"command": sys.argv, "config": dict(plan.written)})
    context.exit(run_script(chosen))
