"""docs/runs.md shows a script that runs, and names every option of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from d3wrap.cli.compare import compare
from d3wrap.executors import EXECUTORS

PAGE = (Path(__file__).parents[3] / "docs" / "runs.md").read_text(encoding="utf-8")


def test_the_script_runs_as_it_is_shown(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "script.py").write_text(block)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["clswgan baseline, seed 0 done", "clswgan enhanced, seed 0 done"]


@pytest.mark.parametrize("name", ["--jobs", "--executor", "--executor-option", "--checkpoint-every", "--threads"])
def test_options_are_named(name):
    assert f"`{name}" in PAGE
    assert name in {option for parameter in compare.params for option in parameter.opts}


@pytest.mark.parametrize("name", [name for name in EXECUTORS if name != "local"])
def test_executors_are_shown_with_the_line_that_installs_them(name):
    assert f"pip install 'd3wrap[{name}]'" in PAGE
    assert f"--executor {name}" in PAGE
