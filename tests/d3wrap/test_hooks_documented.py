"""``docs/hooks.md`` says of every hook what is true, and its examples run."""

import re
from pathlib import Path

import pytest

from d3wrap.plugin_hooks import HOOKS

TEXT = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented_with_the_arguments_it_has(hook):
    body = SECTIONS[f"`{hook}({', '.join(HOOKS[hook])})`"]
    documented = re.findall(r"^- `(\w+)`: ", body, flags=re.MULTILINE)
    assert tuple(documented) == HOOKS[hook]
    assert "**Called** " in body
    assert "**Returns** " in body
    assert re.search(rf"@d3wrap\.hookimpl\n +def {hook}\(|@d3wrap\.hookimpl\ndef {hook}\(", body)


def test_no_other_hook_is_documented():
    headings = {title.strip("`").partition("(")[0] for title in SECTIONS if title.startswith("`")}
    rows = set(re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE))
    assert headings == rows == set(HOOKS)


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example {number}" for number in range(1, len(EXAMPLES) + 1)])
def test_an_example_runs(example):
    exec(compile(example, "docs/hooks.md", "exec"), {"__name__": "example"})


def test_every_hook_has_an_example():
    assert len(EXAMPLES) == len(HOOKS) + 1
