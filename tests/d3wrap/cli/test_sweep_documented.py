"""docs/sweeps.md and examples/sweep.yaml say what the command takes."""

import re
from pathlib import Path

import click

from d3wrap.cli import main
from d3wrap.cli.sweep import asked_for
from d3wrap.cli.sweep_options import KEYS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def options_of(path):
    command = main.get_command(click.Context(main), "compare")
    context = command.make_context("compare", ["--config", str(path)])
    with context:
        return context.params, asked_for(context.params)


def test_every_key_of_an_entry_is_described():
    table = PAGE.partition("## What an entry")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, flags=re.M)) == KEYS


def test_the_example_is_a_sweep():
    params, parts = options_of(ROOT / "examples" / "sweep.yaml")
    assert params["seeds"] == tuple(range(6))
    assert [part.folder.as_posix() for part in parts] == [
        f"{name}/train-{share}" for name in ("digits", "synthetic") for share in ("0.1", "0.3", "1")
    ]


def test_the_file_of_the_page_is_a_sweep(tmp_path):
    (written,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sweep.yaml").write_text(written)
    params, parts = options_of(tmp_path / "sweep.yaml")
    assert params["generators"] == ("clswgan", "gsmflow")
    assert [part.name for part in parts] == [
        "digits 10%", "digits 30%", "digits 100%", "FLO 10%", "FLO 30%", "FLO 100%", "CUB",
    ]  # fmt: skip
    assert parts[-1].options["preset"] == "paper"
    assert {one.key: one.value for one in parts[3].options["settings"]} == {"steps": 2000}
    assert parts[0].options["preset"] == "small"
