"""What the commands that do many runs share: where these are done, the folder they fill, and going on in it."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from d3wrap.cli.doing import stoppable
from d3wrap.cli.options import Command, out_options
from d3wrap.cli.out_folder import new_name, open_folder, stored_option
from d3wrap.cli.run_options import checkpoint_option, executor_options
from d3wrap.config import Override
from d3wrap.errors import D3WrapError
from d3wrap.executors import Executor, make_executor


@dataclass(frozen=True)
class ManyRuns:
    """Where and how a command's runs are done: what changes no result of theirs."""

    command: str
    folder: Path
    overwrite: bool
    jobs: int
    executor: str
    executor_options: Sequence[Override]
    checkpoint_every: float

    def threads(self, given: int | None) -> int:
        """Return the threads of a run: as given, as the run gone on with had them, or one where several run."""
        stored = None if self.overwrite else stored_option(self.folder, "threads")
        usual = torch.get_num_threads() if self.jobs == 1 and self.executor == "local" else 1
        return given or (stored if isinstance(stored, int) else usual)

    def on_this_machine(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options to load data with here: a cluster's machines may have a device that this one has not."""
        return dict(options) if self.executor == "local" else {**options, "device": "cpu"}

    def begin(self, config: Mapping[str, Any], threads: int) -> Executor:
        """Open the folder, say whether it is gone on in, and return what does the runs."""
        goes_on = open_folder(self.folder, self.overwrite, self.command, config)
        made = make_executor(
            self.executor,
            self.jobs,
            folder=self.folder / self.executor,
            options={one.key: one.value for one in self.executor_options},
            threads=threads,
        )
        if goes_on:
            click.echo(f"going on with what {self.folder}/ holds")
        return made

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Where something is wrong before a run begins, leave no new folder: it would refuse the mended command."""
        there = self.folder.exists()
        try:
            yield
        except D3WrapError:
            if not there:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Where a key stops the runs, say how they go on."""
        with stoppable(f"the same command with --out {self.folder} goes on"):
            yield


def many_runs(command: str) -> Callable[[Command], Command]:
    """Give a command the options of :class:`ManyRuns`, and these as its argument ``runs``."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_runs(*, out: Path | None, **options: Any) -> Any:
            where = {name: options.pop(name) for name in _PLACE}
            return function(runs=ManyRuns(command, out or new_name(command), **where), **options)

        return executor_options(checkpoint_option(out_options(with_runs)))  # type: ignore[return-value]

    return decorate


_PLACE = ("overwrite", "jobs", "executor", "executor_options", "checkpoint_every")
