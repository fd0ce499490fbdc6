"""Every option and argument of every command with ``--config`` can stand in the file."""

import json

import click
import pytest

from d3wrap.cli import main
from d3wrap.cli.config_option import config_option, configurable
from d3wrap.cli.key_value import KeyValue


@click.command("every")
@click.argument("data", type=click.Path(exists=True))
@click.argument("more", nargs=-1)
@click.option("--text", required=True)
@click.option("--count", type=int)
@click.option("--small-count", type=click.IntRange(1, 10), default=2)
@click.option("--rate", type=float, default=1.0)
@click.option("--share", type=click.FloatRange(0, 1))
@click.option("--choice", type=click.Choice(["a", "b"]), default="a")
@click.option("--flag", is_flag=True)
@click.option("--on/--off", default=True)
@click.option("--folder", type=click.Path(file_okay=False, exists=True))
@click.option("--seed", "seeds", type=int, multiple=True)
@click.option("--name", multiple=True)
@click.option("--span", type=(int, float))
@click.option("--set", "overrides", type=KeyValue(), multiple=True)
@config_option
def every(**_):
    """Have an option of each kind."""


def commands(command, path=()):
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))
    elif any(parameter.name == "config" for parameter in command.params):
        yield " ".join(path), command


CASES = [
    pytest.param(command, key, id=f"{name}: {key}")
    for name, command in [("every", every), *commands(main)]
    for key in configurable(command)
]


def sample(kind, default, folder):
    """Return a value other than the default, and the words for it on the command line."""
    if isinstance(kind, click.types.BoolParamType):
        return not default
    if isinstance(kind, click.Choice):
        return next(choice for choice in kind.choices if choice != default)
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        low = getattr(kind, "min", None) or 0
        return next(value for value in (low + 1, low + 2) if value != default) * (
            0.25 if kind.name == "float range" else 1
        )
    if isinstance(kind, click.Path):
        return str(folder if kind.dir_okay else folder / "file.txt")
    if isinstance(kind, KeyValue):
        return "key=1"
    return "1,2" if kind is not click.STRING else "words"


@pytest.mark.parametrize(("command", "key"), CASES)
def test_the_file_and_the_command_line_say_the_same(tmp_path, command, key):
    (tmp_path / "file.txt").touch()
    parameter = configurable(command)[key]
    composite = isinstance(parameter.type, click.Tuple)
    kinds = parameter.type.types if composite else [parameter.type] * max(parameter.nargs, 1)
    samples = [sample(kind, parameter.default, tmp_path) for kind in kinds]
    value = samples if parameter.nargs != 1 else samples[0]
    (tmp_path / "run.yaml").write_text(json.dumps({key: [value] if getattr(parameter, "multiple", False) else value}))

    words = [str(item) for item in samples]
    if isinstance(parameter, click.Option):
        switch = f"--{key.replace('_', '-')}"
        if parameter.is_flag:
            words = [switch] if value else parameter.secondary_opts[:1]
        else:
            words = [switch, *words]

    def parsed(*arguments):
        others = {other.name for other in configurable(command).values() if other.name != parameter.name}
        relaxed = [other for other in command.params if other.name in others and other.required]
        for other in relaxed:
            other.required = False
        try:
            return command.make_context("x", list(arguments)).params[parameter.name]
        finally:
            for other in relaxed:
                other.required = True

    positional = [str(tmp_path)] * (key == "more")
    from_file = parsed("--config", str(tmp_path / "run.yaml"))
    assert from_file == parsed(*positional, *words)
