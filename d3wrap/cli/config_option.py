"""``--config FILE.yaml``: every option of a command, from a file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from d3wrap.cli.file_values import file_value
from d3wrap.cli.key_value import KeyValue
from d3wrap.config import load_yaml
from d3wrap.errors import did_you_mean

_PAIRS = "d3wrap.cli.config_option.pairs"


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with ``--config FILE``, which sets any of its options and arguments.

    Keys are option names without dashes (``batch-size`` or ``batch_size``). The command line goes before the
    file and the file before defaults; ``KEY=VALUE`` options are merged key by key. Paths in the file are
    relative to the current directory, as on the command line. Raises ``ConfigError`` as
    ``FILE:LINE: KEY: message``.
    """

    @functools.wraps(function)
    def with_file(*args: Any, **values: Any) -> Any:
        context = click.get_current_context()
        for name, pairs in context.meta.get(_PAIRS, {}).items():
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                values[name] = (*pairs, *values[name])
        return function(*args, **values)

    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="YAML file with values for any of these options.",
    )(with_file)


def configurable(command: click.Command) -> dict[str, click.Parameter]:
    """Return the parameters of a command that a file may set, by the key that sets them."""
    keys = {}
    for parameter in command.params:
        if parameter.expose_value and parameter.name:
            long = [name.removeprefix("--") for name in parameter.opts if name.startswith("--")]
            for key in long or [parameter.name]:
                keys[key.replace("-", "_")] = parameter
    return keys


def _read(context: click.Context, _: click.Parameter, path: str | None) -> None:
    if path is None or context.resilient_parsing:
        return
    document = load_yaml(path)
    known = configurable(context.command)
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for key in document.values:
        parameter = known.get(key.replace("-", "_"))
        if parameter is None:
            raise document.error(f"unknown option{did_you_mean(key.replace('-', '_'), known)}", key)
        name = str(parameter.name)
        if name in given:
            line = document.lines[given[name],]
            raise document.error(f"already given as {given[name]!r} on line {line}", key)
        given[name] = key
        values[name] = file_value(document, key, parameter, context)
    context.default_map = {**(context.default_map or {}), **values}
    context.meta[_PAIRS] = {
        parameter.name: values[parameter.name]
        for parameter in known.values()
        if isinstance(parameter.type, KeyValue) and parameter.name in values
    }
