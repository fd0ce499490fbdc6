"""docs/settings.md names every setting of D³ and says what the formulations stand for."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from d3wrap.settings import D3Settings

TEXT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = {
    name: [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`(\w+)`", line.split("|")[1])
}


def test_every_setting_is_in_the_table_and_nothing_else():
    assert set(ROWS) >= {field.name for field in fields(D3Settings)}


@pytest.mark.parametrize("column", [1, 2])
def test_the_table_says_what_a_formulation_stands_for(column):
    settings = D3Settings(formulation=("released", "corrected")[column - 1]).resolved()
    for field in fields(D3Settings):
        if field.default is None:
            value = getattr(settings, field.name)
            expected = str(value).lower() if isinstance(value, bool) else f"{value:g}" if value == 0 else str(value)
            assert ROWS[field.name][column].strip("`") == expected, field.name
