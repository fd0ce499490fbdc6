"""``d3wrap ablate``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from d3wrap.ablation.ablate import ablate as run_ablation
from d3wrap.ablation.ablate import make_jobs
from d3wrap.ablation.table import ablation_tables, too_few
from d3wrap.ablation.variants import Kind, Variant, Variants, variants_of
from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.doing import counted, described, line, report_failures
from d3wrap.cli.many_runs import ManyRuns, many_runs
from d3wrap.cli.options import (
    Seeds,
    classifier_option,
    data_options,
    device_options,
    protocol_options,
    split_commas,
    training_options,
)
from d3wrap.cli.out_folder import as_json
from d3wrap.cli.run_options import log_option
from d3wrap.comparison.job import Job
from d3wrap.comparison.run import build
from d3wrap.comparison.runs_view import viewing
from d3wrap.loggers import load_loggers
from d3wrap.manager import load_plugins


@click.command()
@data_options
@click.option("--generator", default="clswgan", show_default=True, help="See `d3wrap plugins list`.")
@click.option("--objectives", is_flag=True, help="Each objective off, and alone.")
@click.option("--corrections", is_flag=True, help="Each correction off; all off, as released; and all off but one.")
@click.option(
    "--only",
    multiple=True,
    callback=split_commas,
    help="Just these variants, with commas, e.g. without-id2sd,released; beside groups: these too.",
)
@click.option("--list", "listed", is_flag=True, help="Show the variants and the number of runs, and do nothing.")
@training_options
@protocol_options
@click.option("--seeds", type=Seeds(), default="3", show_default=True, help="How many, or which with commas.")
@classifier_option
@device_options
@many_runs("ablate")
@log_option
@config_option
def ablate(
    generator: str,
    objectives: bool,
    corrections: bool,
    only: Sequence[str],
    listed: bool,
    seeds: Sequence[int],
    log_to: Sequence[str],
    runs: ManyRuns,
    **options: Any,
) -> None:
    """Train without D³, with it, and with each of its parts off and alone; say what each part does.

    Variants share their seeds: the same data order, noise and initial weights. The baseline is trained once a seed.
    Without --objectives, --corrections or --only it is all variants.

    \b
    Start here:
      d3wrap ablate --list
      d3wrap ablate --objectives --seeds 9 --jobs 4 --out runs/objectives
      d3wrap ablate --data data/CUB --features res101 --only without-o2dbd,released --seeds 6

    Writes ablation.json and ablation.csv, and for every run a folder, seed-N/VARIANT. Stopped or killed, the same
    command with the same --out goes on; it may then choose other variants, and what is finished is not repeated.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    plugins = load_plugins(block=options["block"])
    load_loggers(log_to)  # before anything is trained, whatever is wrong with one
    plan = prepare.plan(generator, options, plugins)
    folder = runs.folder
    options["threads"] = runs.threads(options["threads"])
    dataset = prepare.load(runs.on_this_machine(options))
    backbone, _ = build(plan, dataset, "baseline", seeds[0], plugins)
    known = variants_of(plan, plugins, backbone.gradient_share)
    asked: dict[Kind, bool] = {"objective": objectives, "correction": corrections}
    kinds = [kind for kind, wanted in asked.items() if wanted]
    variants = known.chosen(kinds, only)
    size = f"{counted(len(variants), 'variant')} × {counted(len(seeds), 'seed')} = {len(variants) * len(seeds)} runs"
    if listed:
        _show(known, variants)
        click.echo(f"\n{size}, baseline and full among them")
        return
    config = as_json({"generator": generator, "seeds": seeds, "plugins": plugins.names, **options})
    executor = runs.begin(config, options["threads"])
    click.echo(f"{described(dataset)}.\n{size}, baseline and full among them. Results go to {folder}/")
    for remark in known.remarks:
        click.echo(remark)
    if caution := too_few(len(seeds), len(variants) - 1):
        click.echo(caution)
    todo = make_jobs(
        variants,
        seeds,
        folder,
        device=options["device"],
        dtype=options["dtype"],
        threads=options["threads"],
        checkpoint_every=runs.checkpoint_every,
        command=tuple(sys.argv),
        log_to=log_to,
    )
    wide = max(len(variant.name) for variant in variants)
    with runs.stoppable():
        done = run_ablation(
            variants, todo, dataset, folder, executor=executor, watch=viewing,
            on_result=lambda job, found, before: line(f"{job.place:{wide}}", found, before), config=config,
            command=sys.argv,
        )  # fmt: skip
    if done.ablation is not None:
        click.echo()
        Console().print(ablation_tables(done.ablation))
        for path in (folder / "ablation.json", folder / "ablation.csv"):
            click.echo(f"wrote {path}")
    if done.failures:
        report_failures(done.failures, len(todo), folder, _label)
        raise click.exceptions.Exit(1)


def _show(known: Variants, variants: Sequence[Variant]) -> None:
    """Print the variants that would be trained, and what cannot be."""
    table = Table.grid(padding=(0, 2))
    for variant in variants:
        table.add_row(Text(variant.name, "bold"), Text(variant.says))
    Console().print(table)
    for remark in known.remarks:
        click.echo(remark)


def _label(job: Job) -> str:
    return job.label
