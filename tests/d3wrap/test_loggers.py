"""Loggers are loaded when they are asked for, and never otherwise."""

import sys

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.errors import ConfigError, MissingExtraError, PluginError
from d3wrap.loggers import load_loggers
from d3wrap.manager import load_plugins
from d3wrap.plugin_discovery import installed_plugins

LOGGER = """
import d3wrap


class Logger:
    @d3wrap.hookimpl
    def on_log(self, record):
        pass
"""
MODULE = '''
import d3wrap


@d3wrap.hookimpl
def on_run_end(results):
    """Learn of the end."""
'''


@pytest.fixture
def logger(install):
    """Return a function that installs a logger."""

    def install_logger(name, source, target=""):
        return install(name, source, group="d3wrap.loggers", target=target)

    return install_logger


def test_one_that_is_not_asked_for_is_not_imported(logger):
    module = logger("silent", "raise RuntimeError('imported')")
    assert "silent" not in load_plugins(environ={}).names
    assert load_loggers(()) == {}
    statuses = {plugin.name: plugin.status for plugin in installed_plugins({})}
    assert statuses["silent"] == "with --log-to silent"
    assert statuses["clswgan"] == "enabled"
    assert module not in sys.modules


def test_the_environment_neither_switches_them_on_nor_off(logger, monkeypatch):
    logger("mine", LOGGER, ":Logger")
    monkeypatch.setenv("D3WRAP_PLUGINS", "clswgan")
    assert list(load_loggers(["mine"])) == ["mine"]


def test_of_a_class_an_object_is_made_each_time_and_a_module_is_taken_as_it_is(logger):
    logger("kind", LOGGER, ":Logger")
    module = logger("module", MODULE)
    first, second = load_loggers(["kind", "module"]), load_loggers(["kind"])
    assert type(first["kind"]).__name__ == "Logger"
    assert first["kind"] is not second["kind"]
    assert first["module"] is sys.modules[module]


def test_a_misspelt_name_is_answered_with_the_nearest_one(logger):
    logger("mine", LOGGER, ":Logger")
    with pytest.raises(ConfigError, match=r"--log-to: no logger is called 'mien'; did you mean 'mine'\? \(known: .*"):
        load_loggers(["mien"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (LOGGER.replace("on_log(self, record)", "on_batch(self, batch)"), "hook on_batch: a logger changes nothing"),
        (LOGGER.replace("record", "recrod"), "hook on_log: unknown argument 'recrod'; did you mean 'record'"),
        (LOGGER.replace("pass\n", "pass\n    def __init__(self):\n        1 / 0\n"), "ZeroDivisionError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
    ],
)
def test_a_broken_one_is_an_error_that_names_it(logger, source, message):
    logger("mine", source, ":Logger")
    with pytest.raises(PluginError, match=rf"plugin 'mine'.*{message}"):
        load_loggers(["mine"])


def test_what_is_not_installed_is_told_with_the_line_to_type(logger):
    error = "from d3wrap.errors import MissingExtraError\nraise MissingExtraError('board', 'extra', '--log-to mine')"
    logger("mine", error)
    with pytest.raises(MissingExtraError, match=r"pip install 'd3wrap\[extra\]'"):
        load_loggers(["mine"])


def test_a_generator_that_lacks_an_extra_is_still_left_out_with_a_warning(install):
    install("lacking", "from d3wrap.errors import MissingExtraError\nraise MissingExtraError('a', 'b', 'c')")
    with pytest.warns(UserWarning, match="plugin 'lacking' cannot be imported: MissingExtraError"):
        assert "lacking" not in load_plugins(environ={}).names


def test_plugins_show_and_check_know_them(logger):
    logger("module", MODULE)
    shown = CliRunner().invoke(main, ["plugins", "show", "module"], catch_exceptions=False)
    assert "on_run_end(results)" in shown.stdout
    assert "Learn of the end." in shown.stdout
    checked = CliRunner().invoke(main, ["plugins", "check", "module"], catch_exceptions=False)
    assert checked.stdout == "✓ loads and implements on_run_end\n"
