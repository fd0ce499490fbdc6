"""The examples run, and the pair differs by added lines alone."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from d3wrap.cli import main
from d3wrap.config import load_yaml

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_script_runs(script, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "before" in script or "embedding" in done.stdout


def test_the_loop_is_left_alone():
    before, after = ((EXAMPLES / f"own_loop_{which}.py").read_text().splitlines() for which in ("before", "after"))
    lines = list(difflib.ndiff(before, after))
    assert [line for line in lines if line.startswith("- ")] == [f"- {before[0]}"]  # the docstring alone


def test_the_file_holds_options_of_compare():
    command = main.get_command(click.Context(main), "compare")
    document = load_yaml(EXAMPLES / "compare.yaml")
    arguments = ["--config", str(EXAMPLES / "compare.yaml")]
    context = command.make_context("compare", arguments)
    assert context.params["seeds"] == (0, 1, 2)
    assert context.params["block"] == ()
    assert {"data", "d3", "set"} <= set(document.values)


def test_readme_lists_every_example():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".yaml") and path.name not in text] == []
