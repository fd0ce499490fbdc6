"""``--config``: what wins, how values are merged, and what each kind of option takes."""

import click
import pytest
from click.testing import CliRunner

from d3wrap.cli.config_option import config_option
from d3wrap.cli.key_value import KeyValue
from d3wrap.config import Override

seen: dict = {}


@click.command()
@click.argument("data")
@click.argument("more", nargs=-1)
@click.option("--generator", type=click.Choice(["clswgan", "cvae"]), required=True)
@click.option("--batch-size", "-b", type=int, default=64)
@click.option("--level", type=click.Choice(["1", "2"]))
@click.option("--when", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--seed", "seeds", type=int, multiple=True)
@click.option("--name", "names", multiple=True, default=["x"])
@click.option("--pair", "pairs", type=(str, int), multiple=True)
@click.option("--amp/--no-amp", default=True)
@click.option("--verbose", "-v", count=True)
@click.option("--set", "overrides", type=KeyValue(), multiple=True)
@config_option
def command(**values):
    """Keep what was given."""
    seen.clear()
    seen.update(values)


@pytest.fixture
def run(tmp_path):
    def run(content, *arguments):
        path = tmp_path / "run.yaml"
        path.write_text(content)
        result = CliRunner().invoke(command, ["--config", str(path), *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return dict(seen)

    return run


BASE = "data: CUB\ngenerator: cvae\n"


def test_the_file_satisfies_required_options_and_arguments(run):
    found = run(BASE)
    assert (found["data"], found["generator"], found["batch_size"]) == ("CUB", "cvae", 64)


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(run):
    assert run(BASE + "batch-size: 8")["batch_size"] == 8
    assert run(BASE + "batch_size: 8", "-b", "4")["batch_size"] == 4
    assert run(BASE + "amp: false")["amp"] is False
    assert run(BASE + "amp: false", "--amp")["amp"] is True
    assert run(BASE, "SUN", "--generator", "clswgan")["data"] == "SUN"
    assert run(BASE + "seed: [1, 2]", "--seed", "3")["seeds"] == (3,)


def test_the_file_may_come_after_what_it_must_not_change(tmp_path):
    (tmp_path / "run.yaml").write_text(BASE + "batch-size: 8")
    CliRunner().invoke(command, ["-b", "4", "--config", str(tmp_path / "run.yaml")], catch_exceptions=False)
    assert seen["batch_size"] == 4


@pytest.mark.parametrize("text", ["[1, 2]", "1,2", "1, 2", "\n- 1\n- 2"])
def test_options_given_several_times_take_lists_and_commas(run, text):
    assert run(BASE + f"seed: {text}")["seeds"] == (1, 2)


def test_one_value_is_a_list_of_one(run):
    assert run(BASE + "seed: 5")["seeds"] == (5,)
    assert run(BASE + "name: a")["names"] == ("a",)


def test_a_variadic_argument_takes_a_list(run):
    assert run(BASE + "more: [a, b]")["more"] == ("a", "b")


def test_options_of_several_values_take_lists_of_lists(run):
    assert run(BASE + "pair: [[a, 1], [b, 2]]")["pairs"] == (("a", 1), ("b", 2))


def test_types_of_click_s_own_get_the_text_as_written(run):
    assert run(BASE + "level: 1")["level"] == "1"
    assert run(BASE + "when: 2024-01-02")["when"].year == 2024
    assert run(BASE + "verbose: 2")["verbose"] == 2


def test_settings_are_merged_key_by_key(run, tmp_path):
    found = run(BASE + "set:\n  hidden: 12\n  noise-dim: 4", "--set", "hidden=0o17", "--set", "lr=1e-4")
    assert found["overrides"] == (
        Override("hidden", 12, f"{tmp_path}/run.yaml:4: set.hidden"),
        Override("noise_dim", 4, f"{tmp_path}/run.yaml:5: set.noise-dim"),
        Override("hidden", 15, "--set hidden"),
        Override("lr", 1e-4, "--set lr"),
    )


def test_settings_in_the_file_alone(run):
    assert [(o.key, o.value) for o in run(BASE + "set: {a: yes, b: [1, 2]}")["overrides"]] == [
        ("a", "yes"),
        ("b", [1, 2]),
    ]
    assert [(o.key, o.value) for o in run(BASE + "set: [a=1, b=x=y]")["overrides"]] == [("a", 1), ("b", "x=y")]


@pytest.mark.parametrize("text", ["hidden", "=3", "", "a=[1"])
def test_a_setting_that_is_no_pair_is_a_usage_error(text):
    result = CliRunner().invoke(command, ["CUB", "--generator", "cvae", "--set", text])
    assert result.exit_code == 2
    assert "Invalid value for '--set'" in result.stderr


def test_without_the_option_nothing_changes():
    CliRunner().invoke(command, ["CUB", "--generator", "cvae", "--set", "a=1"], catch_exceptions=False)
    assert seen["batch_size"] == 64
    assert seen["overrides"] == (Override("a", 1, "--set a"),)
