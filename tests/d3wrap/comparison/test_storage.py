import csv
import dataclasses
import json
import re

import pytest

from d3wrap.comparison.results import RunResult
from d3wrap.comparison.storage import read_results, write_results
from d3wrap.errors import DataError


@pytest.fixture
def written(tmp_path, make_runs):
    return write_results(tmp_path, make_runs(range(3)), {"steps": 4000, "name": "größe"}, ["d3wrap", "compare"])


def test_what_was_written_is_read(tmp_path, written):
    assert read_results(tmp_path) == written
    assert read_results(tmp_path / "results.json").summary == written.summary
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["results.csv", "results.json"]


def test_the_stored_summary_follows_from_the_runs(tmp_path, written):
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["summary"] == [dataclasses.asdict(row) for row in written.summary]


def test_the_csv_has_a_line_per_run(tmp_path, written):
    with (tmp_path / "results.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    names = {field.name for field in dataclasses.fields(RunResult)} - {"per_class", "versions", "last5", "last_step"}
    assert set(lines[0]) == names
    assert [(line["arm"], int(line["seed"]), float(line["H"])) for line in lines] == [
        (run.arm, run.seed, run.H) for run in written.runs
    ]
    assert lines[0]["formulation"] == ""


def edit(path, change):
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.update(schema="d3wrap.results/9"),
            "schema: expected 'd3wrap.results/1', found 'd3wrap.results/9'",
        ),
        (lambda s: s.pop("config"), "expected the keys"),
        (lambda s: s.update(extra=1), "expected the keys"),
        (lambda s: s.update(runs={}), "runs: expected list, found dict"),
        (lambda s: s.update(command=["d3wrap", 1]), "command: expected a list of text"),
        (lambda s: s["runs"].append(1), r"runs\[12\]: expected a mapping, found 1"),
        (lambda s: s["runs"][1].update(H=64.0), r"runs\[1\].H: expected a fraction"),
        (lambda s: s["runs"][2].pop("H"), r"runs\[2\].H: missing"),
        (lambda s: s["runs"].append(s["runs"][0]), "seed 0 occurs twice"),
        (lambda s: s["runs"].pop(), "do not pair up"),
    ],
)
def test_a_changed_file_is_refused_by_name(tmp_path, written, change, message):
    path = tmp_path / "results.json"
    edit(path, change)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_results(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": NaN}', "\ufeff{}"])
def test_a_file_that_is_not_ours_is_refused(tmp_path, text):
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json: "):
        read_results(tmp_path)


def test_nan_is_refused_wherever_it_stands(tmp_path, written):
    path = tmp_path / "results.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"steps": 4000', '"steps": NaN', 1), encoding="utf-8")
    with pytest.raises(DataError, match="NaN is no number"):
        read_results(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"results\.json: cannot be read: No such file; expected a folder .* --out"):
        read_results(tmp_path)


def test_results_of_another_command_are_said_to_be_that(tmp_path):
    (tmp_path / "results.json").write_text('{"recipes": [], "command": []}')
    with pytest.raises(DataError, match="found none: this is not of `d3wrap compare`"):
        read_results(tmp_path)


def test_runs_that_do_not_pair_up_leave_the_files_as_they_were(tmp_path, written, make_runs):
    before = (tmp_path / "results.json").read_bytes()
    with pytest.raises(DataError, match="do not pair up"):
        write_results(tmp_path, make_runs(range(2))[:-1], {})
    assert (tmp_path / "results.json").read_bytes() == before


def test_a_config_with_nan_is_refused(tmp_path, make_runs):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(tmp_path, make_runs([0]), {"lr": float("nan")})
    assert list(tmp_path.iterdir()) == []
