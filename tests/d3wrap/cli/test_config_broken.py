"""Broken configuration files, each with the exact message it must end in."""

import click
import pytest
from click.testing import CliRunner

from d3wrap.cli.config_option import config_option
from d3wrap.cli.group import D3WrapGroup, Lazy
from d3wrap.cli.key_value import KeyValue


@click.command()
@click.option("--generator", type=click.Choice(["clswgan", "cvae"]))
@click.option("--batch-size", type=click.IntRange(min=1))
@click.option("--lr", type=float)
@click.option("--seed", "seeds", type=int, multiple=True)
@click.option("--amp/--no-amp", default=False)
@click.option("--out", type=click.Path())
@click.option("--range", "limits", type=int, nargs=2)
@click.option("--set", "overrides", type=KeyValue(), multiple=True)
@config_option
def command(**_):
    """Do nothing."""


@click.group(cls=D3WrapGroup, lazy={"go": Lazy("ignored:ignored", "")})
@click.option("--debug", is_flag=True)
def root(debug):
    """Hold the command."""


BROKEN = [
    ("genrator: cvae", ":1: genrator: unknown option; did you mean 'generator'? (known: amp, batch_size, generator,"),
    ("lr: 1\nconfig: x.yaml", ":2: config: unknown option"),
    ("\nbatch-size: 1.5", ":2: batch-size: expected an integer, found the number 1.5"),
    ("batch_size: true", ":1: batch_size: expected an integer, found the boolean true"),
    ("batch_size: 0", ":1: batch_size: 0 is not in the range x>=1."),
    ("batch_size:", ":1: batch_size: expected an integer, found nothing (null)"),
    ("batch_size: '64'", ":1: batch_size: expected an integer, found the text '64'"),
    ("batch-size: 1\nbatch_size: 2", ":2: batch_size: already given as 'batch-size' on line 1"),
    ("lr: 1\nlr: 2", ":2: lr: already given on line 1"),
    ("lr: fast", ":1: lr: expected a number, found the text 'fast'"),
    ("lr: [1, 2]", ":1: lr: expected a number, found a list"),
    ("amp: yes", ":1: amp: expected true or false, found the text 'yes'"),
    ("amp: 1", ":1: amp: expected true or false, found the integer 1"),
    ("no-amp: true", ":1: no-amp: unknown option"),
    ("generator: [cvae]", ":1: generator: expected one value, as on the command line, found a list"),
    ("generator: gan", ":1: generator: 'gan' is not one of 'clswgan', 'cvae'."),
    ("seed:\n- 1\n- two", ":3: seed[1]: expected an integer, found the text 'two'"),
    ("seed: 1, x", ":1: seed: expected an integer, found the text 'x'"),
    ("seed: {a: 1}", ":1: seed: expected an integer, found a mapping"),
    ("out: 2024", ":1: out: expected text (quote it), found the integer 2024"),
    ("range: [1]", ":1: range: expected a list of 2, found a list"),
    ("set:\n  hidden: 1\n  hidden: 2", ":3: set.hidden: already given on line 2"),
    ("set: hidden", ":1: set: expected KEY=VALUE, found 'hidden'"),
    ("set: 3", ":1: set: expected KEY=VALUE, found '3'"),
    ("lr: !!float 1", ":1: the tag 'tag:yaml.org,2002:float' is not allowed"),
    ("- lr", ":1: expected 'key: value' lines, found a list"),
    ("lr:\t1", ":1: found a tab where YAML wants spaces"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN, ids=[content for content, _ in BROKEN])
def test_a_broken_configuration_ends_in_one_line(tmp_path, monkeypatch, content, message):
    (tmp_path / "run.yaml").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(root, "get_command", lambda context, name: command)
    result = CliRunner().invoke(root, ["go", "--config", "run.yaml"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: run.yaml{message}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setattr(root, "get_command", lambda context, name: command)
    result = CliRunner().invoke(root, ["go", "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
