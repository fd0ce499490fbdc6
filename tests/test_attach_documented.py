"""docs/attach.md: its script runs as shown, every argument is there, and the messages in its table exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import d3wrap
from d3wrap.settings import D3Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "attach.md").read_text(encoding="utf-8")
SOURCES = " ".join(
    re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
    for folder in ("attaching", "foreign")
    for path in (ROOT / "d3wrap" / folder).glob("*.py")
)
FAILURES = PAGE.partition("## When it does not work")[2]


def test_the_script_runs_as_shown(capsys):
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "attach.md", "exec"), namespace)
    out, err = capsys.readouterr()
    assert "softmax" in out
    shown = PAGE.partition("```text\n")[2].partition("```")[0]
    topics = re.findall(r"^  (\w+ ?\w*?)  +\S", shown, re.MULTILINE)
    assert topics == re.findall(r"^  (\w+ ?\w*?)  +\S", err.partition("\nd3wrap")[0], re.MULTILINE)[: len(topics)]
    assert len(topics) > 6
    assert "MLP_G(noise N(0, 1) [n, 16], semantics), as the script calls it" in err
    assert namespace["errG"].requires_grad


@pytest.mark.parametrize("name", inspect.signature(d3wrap.attach).parameters)
def test_every_argument_is_explained(name):
    assert name in ("generator", "settings") or re.search(rf"`[^`\n]*\b{name}(=|`)", PAGE), name


@pytest.mark.parametrize("name", [name for name in vars(d3wrap.Handle) if not name.startswith("_")])
def test_every_method_of_the_handle_is_explained(name):
    assert f"d3.{name}(" in PAGE


@pytest.mark.parametrize("message", re.findall(r"^\| `([^`]+)`", FAILURES, re.MULTILINE))
def test_every_symptom_is_a_message_that_exists(message):
    assert message in SOURCES.replace("\\", "")


def test_settings_named_here_exist():
    assert {"formulation", "gradient_share"} <= set(D3Settings.__dataclass_fields__)
