"""The pairs of ``examples/foreign`` differ by three lines, run as commands, and run unchanged under ``d3wrap run``."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import d3wrap
from d3wrap.cli import main
from d3wrap.config import load_yaml
from d3wrap.running.plan import read_plan

TABLE = re.compile(r"^percent +T1 +U +S +H", re.MULTILINE)


def test_there_are_four_pairs_and_every_file_is_of_one(foreign):
    names = {path.name.removesuffix("_before.py") for path in foreign.glob("*_before.py")}
    assert names == {"gan", "vaegan_feedback", "flow", "diffusion"}
    files = {f"{name}{end}" for name in names for end in ("_before.py", "_after.py", ".yaml")}
    assert {path.name for path in foreign.iterdir() if path.is_file()} == files | {"util.py", "digits.npz"}


def test_the_scripts_know_nothing_of_d3wrap(foreign):
    for path in [*foreign.glob("*_before.py"), foreign / "util.py"]:
        assert "d3wrap" not in path.read_text(), path.name


def test_three_lines_are_added_and_none_is_changed(pair, foreign):
    before, after = ((foreign / f"{pair.name}_{which}.py").read_text().splitlines() for which in ("before", "after"))
    changed = [line for line in difflib.ndiff(before, after) if line[0] != " "]
    assert [line.split("(")[0].replace(" ", "") for line in changed] == [
        "+importd3wrap",
        "+d3=d3wrap.attach",
        "+print",
    ]
    assert changed[2].strip("+ ") == "print(d3.evaluate())"


def test_readme_has_a_row_for_each_pair_and_shows_the_lines_of_the_first(pair, foreign):
    readme = (foreign.parent / "README.md").read_text()
    assert f"\n| `{pair.name}` |" in readme
    added = [line for line in readme.splitlines() if line.startswith("+ ")]
    before, after = ((foreign / f"gan_{which}.py").read_text().splitlines() for which in ("before", "after"))
    assert added == [line for line in difflib.ndiff(before, after) if line[0] == "+"]


def test_the_digits_are_those_of_the_package(foreign):
    with np.load(foreign / "digits.npz", allow_pickle=False) as file:
        stored = {name: torch.from_numpy(file[name].astype(float)) for name in file.files if name != "class_names"}
    digits = d3wrap.load_dataset("digits")
    assert torch.equal(stored["features"].float() / 16, digits.features)
    for name in ("labels", "semantics", "train", "test_seen", "test_unseen"):
        assert torch.equal(stored[name].to(getattr(digits, name).dtype), getattr(digits, name)), name


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_d3wrap_run_gives_the_same_as_the_lines_by_hand(pair, foreign, arm, tmp_path, capsys):
    by_hand = pair.before() if arm == "baseline" else pair.enhanced()
    log, quick = tmp_path / "run", ["--set", "d3.teacher_epochs=1", "--set", "d3.embedding_dim=16"]
    short = ["--niter", "15"] if pair.name == "flow" else ["--nepoch", "1"]
    script = [str(foreign / f"{pair.name}_before.py"), *pair.arguments, *short, "--manualSeed", "5", "--log", str(log)]
    options = ["run", "--plugin-config", str(foreign / f"{pair.name}.yaml"), *quick, "--arm", arm, "--no-evaluate"]
    try:
        assert main.main([*options, *script], standalone_mode=False) == 0
    finally:
        sys.modules.pop("util", None)
    assert log.read_text().splitlines() == by_hand.losses[:15]
    assert "D³ attached" in capsys.readouterr().err or arm == "baseline"


def test_the_d3_yaml_says_what_the_second_line_says(pair, foreign):
    plan = read_plan([load_yaml(str(foreign / f"{pair.name}.yaml"))])
    text = (foreign / f"{pair.name}_after.py").read_text()
    (line,) = (line for line in text.splitlines() if "d3wrap.attach" in line)
    assert f"optimizer={plan.optimizer[0].text}" in line
    assert str(plan.data.text) in line
    assert ("gradient_share" in line) == ("gradient_share" in plan.d3)


def test_the_third_line_prints_a_table_after_what_the_script_prints(pair):
    output = pair.enhanced().output
    assert output.index("GZSL: seen=") < TABLE.search(output).start()


@pytest.mark.parametrize(
    "pair", ["diffusion"], indirect=True
)  # it draws its batches with Python's random, as rich does
def test_as_a_command_importing_d3wrap_moves_no_random_stream(foreign, pair, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, str(foreign / f"{pair.name}_after.py"), *pair.arguments, "--manualSeed", "5"]
    done = subprocess.run([*command, "--log", str(log)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert TABLE.search(done.stdout)
    assert "D³ attached" in done.stderr
    assert log.read_text().splitlines()[0] == pair.before().losses[0]
