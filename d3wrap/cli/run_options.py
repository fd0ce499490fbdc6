"""Options that say where and how runs are done, and change no result."""

from __future__ import annotations

import click

from d3wrap.checkpoints.checkpoints import EVERY
from d3wrap.cli.key_value import KeyValue
from d3wrap.cli.options import grouped, split_commas
from d3wrap.executors import EXECUTORS

checkpoint_option = click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    default=EVERY,
    show_default=True,
    help="Seconds of training between checkpoints; 0 is after every step.",
)

log_option = click.option(
    "--log-to",
    multiple=True,
    callback=split_commas,
    help="Tell these loggers of losses and results, e.g. tensorboard; `d3wrap plugins list` shows them.",
)

executor_options = grouped(
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Runs at once; above 1 each has one CPU thread unless --threads says otherwise. They may share a GPU.",
    ),
    click.option(
        "--executor",
        type=click.Choice(EXECUTORS),
        default="local",
        show_default=True,
        help="Where runs are done: on this machine, on a Slurm cluster, or on Ray; see docs/runs.md.",
    ),
    click.option(
        "--executor-option",
        "executor_options",
        type=KeyValue(),
        multiple=True,
        help="Option of the executor, e.g. slurm_partition=gpu, timeout_min=120, or num_gpus=0.5 for ray.",
    ),
)
