"""``docs/semantics.md`` says what is true: examples run, options exist, and numbers are those that come out."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.cli.semantics import semantics
from d3wrap.manager import load_encoders

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
ENCODERS = load_encoders().encoders


@pytest.mark.parametrize("example", re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
def test_an_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/semantics.md", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_has_a_row_with_its_settings(name):
    (row,) = re.findall(rf"^\| `{name}`(?: \(default\))? \|.*$", TEXT, re.MULTILINE)
    settings = row.rpartition(" | ")[2]
    assert re.findall(r"`(\w+)`", settings) == [one.name for one in dataclasses.fields(ENCODERS[name].settings)]


def test_every_option_is_one_and_every_option_of_its_own_is_said():
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    for line in re.findall(r"^d3wrap semantics .*$", blocks, re.MULTILINE):
        words = shlex.split(line, comments=True)
        command = semantics.commands[words[2]]
        known = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
    for command in semantics.commands.values():
        for parameter in command.params:
            option = parameter.opts[0]
            if option.startswith("--") and option not in ("--device", "--classes"):
                assert option in TEXT


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("animals", [], "0.120 ± 0.138 | 29.1"),
        ("animals", ["--set", "dims=16"], "0.217 ± 0.208 | 14.6"),
        ("animals", ["--set", "dims=0"], "0.070 ± 0.057 | 48.1"),
    ],
)
def test_numbers_of_our_own_examples_are_those_that_come_out(name, more, said, tmp_path):
    out = str(tmp_path / "out.safetensors")
    source = str(ROOT / "examples" / "semantics" / f"{name}.tsv")
    assert (
        CliRunner().invoke(main, ["semantics", "build", "--descriptions", source, "--out", out, *more]).exit_code == 0
    )
    found = json.loads(CliRunner().invoke(main, ["semantics", "show", out, "--json"]).output)
    assert f"{found['cosine']['mean']:.3f} ± {found['cosine']['sd']:.3f} | {found['effective_rank']:.1f}" == said
    assert said in TEXT


def test_the_pictures_are_there():
    for path in re.findall(r"\]\((pictures/[^)]+)\)", TEXT):
        assert (ROOT / "docs" / path).read_bytes().startswith(b"\x89PNG")
