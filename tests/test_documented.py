"""Every generator and adapter is documented, and the examples of adapters run as they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import d3wrap
from d3wrap.manager import load_plugins

ROOT = Path(__file__).parents[1]
PLUGINS = load_plugins(environ={})
ADAPTERS = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
GENERATORS = (ROOT / "docs" / "generators.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLUGINS.generators)
def test_a_generator_has_a_section_and_a_row_in_each_table(name):
    assert f"\n## {name}\n" in GENERATORS
    assert f"\n| `{name}` |" in GENERATORS
    assert f"\n| `{name}` |" in README


@pytest.mark.parametrize("name", PLUGINS.generators)
def test_a_generator_is_credited(name):
    year = PLUGINS.generator(name).reference.rpartition(" ")[2]
    section = GENERATORS.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert year in section
    assert f"year={{{year}}}" in GENERATORS


@pytest.mark.parametrize("name", PLUGINS.adapters)
def test_an_adapter_has_a_row_and_an_example(name):
    assert f"\n| `{name}` |" in ADAPTERS
    assert f"\n## {name}: " in ADAPTERS
    assert f'adapter="{name}"' in ADAPTERS


def test_the_index_of_the_documentation_has_every_page_and_no_other():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([a-z]+\.md)\)", index)) == pages


def test_the_examples_of_adapters_run_and_train():
    pytest.importorskip("FrEIA")
    namespace = {}
    *blocks, _ = re.findall(r"```python\n(.*?)```", ADAPTERS, re.DOTALL)
    for block in blocks:
        exec(compile(block, "adapters.md", "exec"), namespace)
    for name in PLUGINS.adapters:
        d3 = d3wrap.enhance(namespace[name], namespace["dataset"], teacher_epochs=1, embedding_dim=8)
        d3.fit(steps=2, batch_size=8)
        assert set(d3.evaluate(synthetic_per_class=2)) == {"softmax", "student", "embedding"}
