"""The root command: commands are imported when they run, and errors end in one line."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TextIO

import click

from d3wrap.errors import ConfigError, D3WrapError, did_you_mean


class Lazy(NamedTuple):
    """Where a command is (``module:attribute``) and the line ``--help`` shows for it."""

    target: str
    summary: str


_WHOLE = 1000
"""More characters than a first sentence has."""


class _WrongConfiguration(click.ClickException):
    exit_code = 2


class D3WrapGroup(click.Group):
    """A group that imports a command only to run it, so that ``--help`` does not import torch.

    Exit codes: 0 done; 1 d3wrap could not do it (data, plugin, training); 2 the command line or the
    configuration is wrong; 130 interrupted. ``--debug`` shows the traceback instead.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.lazy:
            return None
        module, attribute = self.lazy[cmd_name].target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that ``args`` starts with."""
        if args[0] not in self.lazy and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{did_you_mean(args[0], self.lazy)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn errors into ``Error: …`` and an exit code."""
        with _plain_warnings():
            try:
                return super().invoke(ctx)
            except D3WrapError as error:
                if ctx.params["debug"]:
                    raise
                kind = _WrongConfiguration if isinstance(error, ConfigError) else click.ClickException
                raise kind(str(error)) from error
            except KeyboardInterrupt:
                click.echo("Interrupted.", err=True)
                ctx.exit(130)


class SubGroup(click.Group):
    """A group of commands whose ``--help`` shows the first sentence about each command whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands; click's own cuts a sentence where the line ends."""
        names = self.list_commands(ctx)
        commands = [(name, command) for name in names if (command := self.get_command(ctx, name)) is not None]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in commands])


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show d3wrap's warnings as ``Warning: …``, without the line of code that gave them."""

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        if category.__module__.startswith("d3wrap."):
            click.echo(f"Warning: {message}", err=True)
        else:
            usual(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.showwarning = show
        yield
