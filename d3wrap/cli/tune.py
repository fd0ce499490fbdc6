"""``d3wrap tune``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from d3wrap.cli import prepare
from d3wrap.cli.config_option import config_option
from d3wrap.cli.doing import counted, described
from d3wrap.cli.key_value import KeyValue
from d3wrap.cli.many_runs import ManyRuns, many_runs
from d3wrap.cli.options import (
    Seeds,
    choose_options,
    data_options,
    device_options,
    settings_options,
)
from d3wrap.cli.out_folder import as_json
from d3wrap.comparison.run_lock import locked
from d3wrap.config import Override, parse_value
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.manager import load_plugins
from d3wrap.tuning.search import Budget, Tuning, search
from d3wrap.tuning.setup import begin, make_tuning
from d3wrap.tuning.space import ARMS, of_arm
from d3wrap.tuning.study import load_optuna
from d3wrap.tuning.table import trial_line, tuned_table
from d3wrap.tuning.tuned import make_tuned, write_tuned
from d3wrap.tuning.view import viewing_round


@click.command()
@data_options
@click.option("--generator", default="clswgan", show_default=True, help="See `d3wrap plugins list`.")
@settings_options
@click.option(
    "--search",
    "wanted",
    type=KeyValue(),
    multiple=True,
    help="What to search: set.KEY for a setting of the generator, d3.KEY for one of D³, among LOW..HIGH, LOW..HIGH:log "
    "or a|b|c, e.g. set.lr=1e-4..1e-2:log. By default a few of both; see docs/tune.md.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Settings that each arm tries, the defaults first.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds of training and measuring, of both arms together, after which no further pair of trials is begun.",
)
@click.option(
    "--seeds",
    type=Seeds(),
    default="2",
    show_default=True,
    help="Each trial is trained from so many, or from these, and counts with their mean.",
)
@click.option(
    "--search-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what the search draws."
)
@click.option(
    "--prune", is_flag=True, help="End a trial after some of its seeds where it is below the median of earlier ones."
)
@click.option(
    "--classifier",
    type=click.Choice(CLASSIFIERS),
    default="softmax",
    show_default=True,
    help="The classifier whose AUSUC in the validation worlds is searched for.",
)
@choose_options
@device_options
@many_runs("tune")
@config_option
def tune(
    generator: str,
    wanted: Sequence[Override],
    trials: int,
    timeout: float | None,
    seeds: Sequence[int],
    search_seed: int,
    prune: bool,
    classifier: str,
    runs: ManyRuns,
    **options: Any,
) -> None:
    """Search for settings in validation worlds, the same number of trials for both arms.

    The baseline searches settings of one generator, the enhanced arm these and settings of D³. They are judged by what
    they reach in worlds cut out of the training images; the test set is not looked at. The first trial of each arm is
    the defaults.

    \b
    Start here:
      d3wrap tune --data digits --trials 20 --out runs/tune
      d3wrap tune --search set.lr=1e-4..1e-2:log --search d3.gradient_share=0.01..0.5:log
      d3wrap tune --search 'd3.relation=groups|gram' --search d3.student_weights.id2sd=0.1..10:log
      d3wrap tune --config tune.yaml --jobs 4
      d3wrap compare --tuned runs/tune

    Writes trials.jsonl, tuned.yaml, and for every trial a folder. Stopped or killed, the same command with the same
    --out goes on, and ends as if it had not been; with more --trials it searches on.
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    load_optuna()  # before anything else, where it is not installed
    plugins = load_plugins(block=options["block"])
    for_plan = {**options, "protocol": "honest", "log_every": 50, "classifiers": (classifier,)}
    plan = prepare.plan(generator, for_plan, plugins)
    folder = runs.folder
    threads = options["threads"] = runs.threads(options["threads"])
    dataset = prepare.load(runs.on_this_machine(options))
    command = tuple(sys.argv)
    tuning = make_tuning(
        plan, dataset, plugins, wanted, budget=Budget(trials, seeds, timeout, prune), seed=search_seed,
        device=options["device"], dtype=options["dtype"], threads=threads, checkpoint_every=runs.checkpoint_every,
        command=command,
    )  # fmt: skip
    space = {key: str(values) for key, values in tuning.space.items()}
    fixed = {"generator": generator, "search": space, "seeds": seeds, "search_seed": search_seed, "prune": prune}
    config = as_json({**fixed, "classifier": classifier, "plugins": plugins.names, **options})
    executor = runs.begin(config, threads)
    with locked(folder):
        begin(folder, tuning, dataset, plugins, command)
        click.echo(f"{described(dataset)}. Results go to {folder}/")
        _announce(tuning)
        with runs.stoppable():
            found = search(
                tuning, folder, executor, watch=viewing_round,
                on_trial=lambda trial, before: click.echo(trial_line(trial, before)),
            )  # fmt: skip
        tuned = make_tuned(tuning, found, dataset)
        path = write_tuned(folder, tuned)
    click.echo()
    Console().print(tuned_table(tuned, found))
    for name in ("trials.jsonl", path.name):
        click.echo(f"wrote {folder / name}")
    click.echo(f"next: {_next({'generator': generator, **options}, folder)}")


def _announce(tuning: Tuning) -> None:
    """Say what each arm searches, and with which budget."""
    budget = tuning.budget
    limit = "" if budget.timeout is None else f", or until {budget.timeout:g} s are over"
    seeds = counted(len(budget.seeds), "seed")
    click.echo(
        f"each arm: {counted(budget.trials, 'trial')}{limit}, {seeds} each, in validation worlds of the training images"
    )
    for arm in ARMS:
        space = "  ".join(f"{key}={values}" for key, values in of_arm(tuning.space, arm).items())
        click.echo(f"{arm:8} searches {space}")


def _next(options: dict[str, Any], folder: Path) -> str:
    """Return the comparison that measures what was found, with the options that both need the same."""
    words = ["d3wrap", "compare", "--tuned", str(folder)]
    for parameter in tune.params:
        value = options.get(str(parameter.name))
        if parameter.name != "threads" and value not in (None, (), parameter.default):
            several = isinstance(parameter, click.Option) and parameter.multiple
            for one in value if several else [value]:
                words += [parameter.opts[0], _said(one)]
    return shlex.join(words)


def _said(value: Any) -> str:
    """Return a value as the command line takes it."""
    if isinstance(value, Override):
        text = value.value
        plain = isinstance(text, str) and parse_value(text) == text
        return f"{value.key}={text if plain else json.dumps(text, ensure_ascii=False)}"
    return ",".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
