"""docs/results.md names every stored field, and no other."""

import dataclasses
import re
from pathlib import Path

from d3wrap.comparison.manifest import manifest
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.statistics import PairedDifference
from d3wrap.comparison.storage import Results
from d3wrap.comparison.summary import SummaryRow

PAGE = Path(__file__).parents[3] / "docs" / "results.md"


def documented(heading):
    """Fields in the first column of the table under a heading."""
    section = re.split(r"^#+ .*\n", PAGE.read_text(encoding="utf-8").partition(f" {heading}\n")[2], flags=re.M)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.M)


def names(record):
    return [field.name for field in dataclasses.fields(record)]


def test_results_json():
    assert documented("`results.json`") == list(Results("", (), {}, ()).as_dict())


def test_runs():
    assert documented("An entry of `runs`") == names(RunResult)


def test_summary():
    assert documented("An entry of `summary`") == names(SummaryRow)
    assert documented("`difference`") == names(PairedDifference)


def test_manifest_json(small_dataset):
    described = manifest(config={}, seed=0, arm="baseline", dataset=small_dataset, precision="exact")
    assert documented("`manifest.json`") == list(described)
