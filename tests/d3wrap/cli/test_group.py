"""The root command: help without torch, one-line errors, exit codes."""

import subprocess
import sys
import types
import warnings

import click
import pytest
from click.testing import CliRunner

from d3wrap.cli import COMMANDS, main
from d3wrap.cli.group import D3WrapGroup, Lazy
from d3wrap.errors import ConfigError, DataError
from d3wrap.manager import PluginWarning


@click.command()
@click.argument("how")
def fail(how):
    """Fail in the way asked for."""
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "warn":
        warnings.warn("generic", stacklevel=1)
        warnings.warn(PluginWarning("plugin 'x' is odd"), stacklevel=1)
        return
    raise {"config": ConfigError, "data": DataError, "bug": ValueError}[how]("file.yaml:3: lr: is odd")


@click.group(cls=D3WrapGroup, lazy={"fail": Lazy("d3wrap_test_commands:fail", "Fail.")})
@click.option("--debug", is_flag=True, envvar="D3WRAP_DEBUG")
def root(debug):
    """Hold the command."""


@pytest.fixture
def run(monkeypatch):
    module = types.ModuleType("d3wrap_test_commands")
    module.fail = fail
    monkeypatch.setitem(sys.modules, "d3wrap_test_commands", module)
    return lambda *arguments, **options: CliRunner().invoke(root, list(arguments), **options)


@pytest.mark.parametrize(("how", "code"), [("config", 2), ("data", 1)])
def test_an_error_is_one_line_and_a_code(run, how, code):
    result = run("fail", how)
    assert (result.exit_code, result.stderr, result.stdout) == (code, "Error: file.yaml:3: lr: is odd\n", "")


def test_an_interruption_ends_in_130(run):
    result = run("fail", "interrupt")
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("options", [{"arguments": ["--debug"]}, {"env": {"D3WRAP_DEBUG": "1"}}])
def test_debug_lets_the_traceback_through(run, options):
    result = run(*options.get("arguments", ()), "fail", "data", env=options.get("env"))
    assert isinstance(result.exception, DataError)


def test_a_bug_of_ours_is_not_hidden(run):
    assert isinstance(run("fail", "bug").exception, ValueError)


def test_a_warning_of_ours_is_one_line_and_others_are_as_ever(run):
    before = warnings.showwarning
    with pytest.warns(UserWarning, match="generic"):
        result = run("fail", "warn")
    assert "Warning: plugin 'x' is odd\n" in result.stderr
    assert "Warning: generic" not in result.stderr
    assert warnings.showwarning is before


def test_a_misspelt_command_is_answered_with_the_nearest(run):
    result = CliRunner().invoke(main, ["plugns"])
    assert result.exit_code == 2
    assert "No such command 'plugns'; did you mean 'plugins'?" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_of_a_command_what_the_command_says(name):
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].summary


def test_an_unknown_command_is_none():
    assert main.get_command(click.Context(main), "nothing") is None


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plugins", "list"]])
def test_help_and_lists_do_not_import_torch(arguments):
    code = (
        "import sys, d3wrap.cli\n"
        f"try: d3wrap.cli.main({arguments!r})\n"
        "finally: print('torch' in sys.modules, [m for m in sys.modules if m.startswith('d3wrap.objectives')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False []\n")
    if arguments == ["--help"]:
        shown = " ".join(done.stdout.split())
        assert all(f"{name} {lazy.summary}" in shown for name, lazy in COMMANDS.items())


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "d3wrap", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == CliRunner().invoke(main, ["--version"], prog_name="d3wrap").stdout


def commands_of(command, names=()):
    """Yield every command of d3wrap with its words."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands_of(command.get_command(click.Context(command), name), (*names, name))
    else:
        yield names, command


def test_every_option_of_every_command_says_what_it_is():
    bare = [
        f"{' '.join(names)} {option.opts[0]}"
        for names, command in commands_of(main)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert bare == []


@pytest.mark.parametrize("group", ["data", "features", "plugins", "recipes", "semantics"])
def test_no_sentence_of_a_groups_help_is_cut(group):
    said = CliRunner().invoke(main, [group, "--help"]).output
    listed = said[said.index("Commands:") :]
    assert "..." not in listed
    for name, command in commands_of(main):
        if name[0] == group:
            assert command.help.split(".")[0].split(";")[0].split("\n")[0] in " ".join(listed.split())
