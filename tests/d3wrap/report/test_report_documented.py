"""docs/report.md names every field of artefacts.json, and its example works."""

import json
import re
from pathlib import Path

from d3wrap.cli.report import report
from d3wrap.comparison.artefacts_reading import read_artefacts
from d3wrap.report.collect import collect

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")


def test_every_field_is_described(make_folder):
    stored = json.loads((make_folder() / "clswgan/seed-0/baseline/artefacts.json").read_text())
    table = PAGE.partition("## `artefacts.json`")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.M) == list(stored)


def test_every_option_is_shown():
    options = {option for parameter in report.params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options - {"--config"} if f"{option} " not in PAGE} == set()


def test_the_example_runs(make_folder, monkeypatch):
    folder = make_folder("runs/flowers")
    monkeypatch.chdir(folder.parents[1])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(example, "report.md", "exec"), names)
    assert names["page"].startswith("<!DOCTYPE html>")
    assert names["curves"] == read_artefacts(folder / "clswgan/seed-0/enhanced").curves["softmax"]
    assert len(names["comparisons"]) == len(collect([folder])) == 1
