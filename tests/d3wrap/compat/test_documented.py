"""docs/compat.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import d3wrap.compat
from d3wrap.compat import SHIMS

PAGE = (Path(__file__).parents[3] / "docs" / "compat.md").read_text(encoding="utf-8")


def test_the_table_lists_exactly_the_shims_in_their_order():
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(shim.name, shim.summary, shim.gone) for shim in SHIMS.values()]


def test_names_of_shims_in_the_text_exist():
    for listed in re.findall(r"--compat ([a-z,-]+) ", PAGE):
        assert {*listed.split(",")} - {""} <= {*SHIMS, "--plugin-config"}


def test_the_python_in_it_names_what_exists():
    for name in set(re.findall(r"d3wrap\.compat\.(\w+)", PAGE)):
        assert hasattr(d3wrap.compat, name)
    with d3wrap.compat.compatible(["item"]):
        pass
