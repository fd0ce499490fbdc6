"""docs/run.md: its table holds the keys there are, its commands work, and its messages are those that are given."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.config import load_yaml
from d3wrap.running.expression import ENCODE_INPUTS, SAMPLE_INPUTS
from d3wrap.running.functions import FUNCTIONS
from d3wrap.running.given import MERGED
from d3wrap.running.plan import KEYS, read_plan
from d3wrap.running.values import DATA_PARTS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"\n## ", TEXT)}
ROWS = {
    row.split("|")[1].strip(" `"): row.split("|")[2:-1]
    for row in SECTIONS["The keys of d3.yaml"].splitlines()
    if row.startswith("| `")
}


def test_every_key_is_in_the_table_and_nothing_else():
    assert set(ROWS) == {*KEYS, *MERGED}


@pytest.mark.parametrize("key", [key for key in KEYS if re.fullmatch(r"[\d.]+|true|false", ROWS[key][0].strip())])
def test_the_default_that_is_shown_is_attachs_own(key):
    import inspect

    import d3wrap

    default = inspect.signature(d3wrap.attach).parameters[key].default
    assert ROWS[key][0].strip() == str(default).lower()


def test_the_parts_of_the_data_that_are_shown_exist():
    parts = re.findall(r"(\w+): ", ROWS["data"][0])
    assert parts or (parts := re.findall(r"(\w+): ", ROWS["data"][1]))
    assert set(parts) <= set(DATA_PARTS)


def test_what_lines_are_given_is_said():
    lines = TEXT.partition("### Lines")[2].partition("\n## ")[0]
    for name in {*SAMPLE_INPUTS, *ENCODE_INPUTS}:
        assert re.search(rf"`{name}\b", lines), name
    named = re.search(r"By bare name there are (.*?)\nand some more", lines, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named[1])) <= set(FUNCTIONS)


def test_the_configurations_that_are_shown_are_read(tmp_path):
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block if "data:" in block else f"{block}data: data\n")
        assert read_plan([load_yaml(path)]).names


def test_the_commands_that_are_shown_work(tmp_path, monkeypatch):
    folder = tmp_path / "foreign"
    shutil.copytree(ROOT / "examples" / "foreign", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    Path("d3.yaml").write_text(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0])
    commands = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 4
    try:
        for command in commands:
            words = shlex.split(command)[1:]
            if words[0] == "run":  # the table is not what is tested here
                words[1:1] = ["--set", "evaluate.synthetic_per_class=10", "--set", "evaluate.classifiers=softmax"]
                words[1:1] = ["--set", "d3.teacher_epochs=1"]
            result = CliRunner().invoke(main, words)
            assert result.exit_code == 0, result.output
            if command == commands[0]:
                assert Path("d3.yaml").read_text() in result.stdout
    finally:
        sys.modules.pop("util", None)
    assert "NOT PAIRED" not in result.stderr
    assert "change" in result.stderr


def symptoms():
    rows = [row for row in SECTIONS["When it does not work"].splitlines() if row.startswith("| ")][1:]
    return [said for row in rows for said in re.findall(r"`([^`]+)`", row.split("|")[1])]


@pytest.mark.parametrize("said", symptoms())
def test_a_symptom_is_one_that_d3wrap_shows(said):
    folders = ("running", "attaching", "compat", "foreign")
    sources = "".join(path.read_text() for name in folders for path in (ROOT / "d3wrap" / name).rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", sources).replace("{FILL_IN}", "FILL_IN")
    assert said in joined


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\((\w+\.md)", TEXT):
        assert (ROOT / "docs" / target).is_file(), target
