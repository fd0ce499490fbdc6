"""docs/distill.md names every setting, loss and column, with the values of the preset ``small``."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from d3wrap.distilling.objectives import PREFIX, TERMS
from d3wrap.distilling.settings import PRESETS, DistillSettings

TEXT = (Path(__file__).parents[3] / "docs" / "distill.md").read_text(encoding="utf-8")
ROWS = {
    name: (names.index(name), [value.strip() for value in cells[2].split(",")])
    for line in TEXT.partition("## Presets and settings")[2].splitlines()
    if line.startswith("| `")
    for cells in [line.split("|")]
    for names in [re.findall(r"`(\w+)`", cells[1])]
    for name in names
}


@pytest.mark.parametrize("name", [field.name for field in fields(DistillSettings)])
def test_a_setting_is_in_the_table_with_its_value(name):
    place, values = ROWS[name]
    value = getattr(PRESETS["small"], name)
    shown = str(value).lower() if isinstance(value, bool) else "none" if value == () else value
    found = values[place].strip("`")
    assert found == shown or float(found) == shown


@pytest.mark.parametrize("name", TERMS)
def test_a_loss_is_in_the_table_with_its_term(name):
    assert f"| `{name}` | `{PREFIX}{name}/{TERMS[name][0]}` |" in TEXT


def test_presets_pictures_and_pages_are_there():
    for preset in PRESETS:
        assert f"`{preset}`" in TEXT or f"--preset {preset}" in TEXT
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        if link.startswith("pictures/"):
            assert (Path(__file__).parents[3] / "docs" / link).is_file()
