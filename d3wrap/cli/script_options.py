"""What ``d3wrap run`` and ``d3wrap doctor`` have in common: a script, its d3.yaml, and shims."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from d3wrap.cli.key_value import KeyValue
from d3wrap.config import Override, load_yaml
from d3wrap.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from d3wrap.running.plan import Plan

Command = TypeVar("Command", bound=Callable[..., Any])
ALL = "all"


class ScriptCommand(click.Command):
    """A command whose options end at the script: what follows is the script's.

    ``--compat`` takes a value only where what follows it names shims, so that ``--compat train.py`` means all shims.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give ``--compat`` its value and let click do the rest."""
        flags = {name for option in self.params if getattr(option, "is_flag", False) for name in _spelled(option)}
        place = 0
        while place < len(args) and args[place].startswith("-") and args[place] != "--":
            option, following = args[place], args[place + 1 : place + 2]
            if option == "--compat" and not _are_shims(following):
                args[place] = f"--compat={ALL}"
            place += 1 if args[place] in flags or "=" in args[place] else 2
        return super().parse_args(ctx, args)


def _spelled(option: click.Parameter) -> list[str]:
    return [*option.opts, *option.secondary_opts, "-h", "--help"]


def _are_shims(following: Sequence[str]) -> bool:
    from d3wrap.compat import SHIMS

    names = [name.strip() for name in following[0].split(",")] if following else []
    return any(name in {*SHIMS, ALL} for name in names) or (len(names) > 1 and not Path(following[0]).exists())


def script_arguments(command: Command) -> Command:
    """Decorate a command with SCRIPT and the script's own ARGUMENTS."""
    rest = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    script = click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    return script(rest(command))


def script_options(command: Command) -> Command:
    """Decorate a command with where the plan comes from."""
    for option in reversed(
        (
            click.option(
                "--plugin-config",
                "plugin_config",
                type=click.Path(exists=True, dir_okay=False),
                help="d3.yaml: the names of the script's generator, data and optimizer; see docs/run.md.",
            ),
            click.option("--recipe", help="A recipe for a public codebase; `d3wrap recipes list` shows them."),
            click.option(
                "--set",
                "overrides",
                type=KeyValue(),
                multiple=True,
                help="Change a key of the d3.yaml, e.g. every=2 or d3.formulation=released.",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), help="Seed of D³'s own random streams; not the script's."
            ),
        )
    ):
        command = option(command)
    return command


compat_option = click.option(
    "--compat",
    metavar="[NAMES]",
    help="Supply what old scripts expect, e.g. cuda,numpy-names; alone: everything. See docs/compat.md.",
)


def plan_of(options: Mapping[str, Any]) -> tuple[Plan, str | None]:
    """Read the plan that the options describe, and return it with the recipe's name.

    Raises ``ConfigError`` where neither ``--plugin-config`` nor ``--recipe`` is given, and for a plan that is wrong.
    """
    from d3wrap.recipes import load_recipe
    from d3wrap.running.plan import read_plan

    documents = []
    if options["recipe"] is not None:
        documents.append(load_recipe(options["recipe"]).config)
    if options["plugin_config"] is not None:
        documents.append(load_yaml(options["plugin_config"]))
    if not documents:
        raise ConfigError(
            "nothing says which objects of the script D³ goes to: give --plugin-config d3.yaml or --recipe NAME "
            "(`d3wrap doctor SCRIPT …` proposes a d3.yaml, `d3wrap recipes list` shows recipes)"
        )
    overrides = list(options["overrides"])
    if options["seed"] is not None:
        overrides.append(Override("seed", options["seed"], "--seed"))
    return read_plan(documents, overrides), options["recipe"]


def shims_of(names: str | None) -> tuple[tuple[str, ...], Callable[[], AbstractContextManager[Any]]]:
    """Return the names of the shims that ``--compat`` asks for, and what switches them on."""
    if names is None:
        return (), contextlib.nullcontext
    from d3wrap.compat import SHIMS, compatible

    chosen = tuple(SHIMS) if names == ALL else tuple(name.strip() for name in names.split(",") if name.strip())
    for name in chosen:
        if name not in SHIMS:
            raise ConfigError(f"--compat: no shim is called {name!r}{did_you_mean(name, SHIMS)}")
    return chosen, functools.partial(compatible, None if names == ALL else chosen)
