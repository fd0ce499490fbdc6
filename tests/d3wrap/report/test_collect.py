import json
import shutil

import pytest

from d3wrap.comparison.statistics import holm
from d3wrap.comparison.storage import read_results, write_results
from d3wrap.errors import DataError
from d3wrap.report.collect import collect, read_losses


def test_everything_is_found(make_folder):
    folder = make_folder()
    (found,) = collect([folder])
    assert len(found.files) == 12
    assert found.missing() == []
    assert found.seeds == list(range(6))
    assert found.classifiers == ["softmax", "student"]
    assert list(found.artefacts("baseline")) == list(range(6))
    assert collect([folder / "results.json"])[0].files.keys() == found.files.keys()


def test_folders_of_runs_may_lie_anywhere_below(make_folder):
    folder = make_folder()
    shutil.move(folder / "clswgan", folder / "moved" if (folder / "deep").mkdir() else folder / "deep" / "er")
    assert collect([folder])[0].missing() == []


def test_without_folders_only_numbers_are_left(make_folder):
    (found,) = collect([make_folder(folders=False)])
    assert found.files == {}
    assert "only numbers are shown" in found.missing()[0]


def test_what_a_run_lacks_is_said(make_folder):
    folder = make_folder()
    own = folder / "clswgan" / "seed-0"
    shutil.rmtree(own / "baseline")
    (own / "enhanced" / "artefacts.json").unlink()
    (own / "enhanced" / "metrics.jsonl").write_text('{"step": "x"}\n')
    (own / "enhanced" / "manifest.json").write_text("[]")
    (found,) = collect([folder])
    said = "\n".join(found.missing())
    assert "the baseline run of seed 0 has no folder" in said
    assert "artefacts.json: no such file" in said
    assert "metrics.jsonl: line 1 is not as d3wrap writes it" in said
    assert "manifest.json: expected a mapping, found list" in said
    assert list(found.artefacts("enhanced")) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("content", ["{", "", '{"a": ' * 3000])
def test_a_manifest_that_is_no_json_is_said(make_folder, content):
    folder = make_folder()
    (folder / "clswgan/seed-0/baseline/manifest.json").write_text(content)
    assert "manifest.json: cannot be read as JSON" in collect([folder])[0].missing()[0]
    (folder / "clswgan/seed-0/baseline/manifest.json").unlink()
    assert "manifest.json: no such file" in collect([folder])[0].missing()[0]


def test_a_choice_is_kept_where_one_was_made(make_folder):
    folder = make_folder()
    own = folder / "clswgan/seed-0/baseline"
    (own / "choice.json").write_text('{"steps": 300}')
    (found,) = collect([folder])
    assert found.files["baseline", 0].choice == {"steps": 300}
    assert found.files["enhanced", 0].choice is None
    assert found.missing() == []
    (own / "choice.json").write_text("{")
    assert "choice.json: cannot be read as JSON" in collect([folder])[0].missing()[0]


def test_a_failed_run_is_named(make_folder):
    folder = make_folder(seeds=2)
    own = folder / "clswgan" / "seed-7" / "baseline"
    own.mkdir(parents=True)
    (own / "error.txt").write_text("Traceback\n  File\nTrainingError: the loss is NaN\n\n")
    (folder / "error.txt").write_text("\n")
    said = collect([folder])[0].missing()
    assert f"{own}: the run failed and is not in these numbers: TrainingError: the loss is NaN" in said
    assert any(line.endswith("no reason") for line in said)


@pytest.mark.parametrize("content", ["{", "[]", "[1]", '[{"arm": "x"}]', "null"])
def test_a_result_of_something_else_is_passed_over(make_folder, content):
    folder = make_folder()
    (folder / "other").mkdir()
    (folder / "other" / "result.json").write_text(content)
    assert len(collect([folder])[0].files) == 12


def test_comparisons_are_kept_apart_and_told_apart(make_folder):
    first, second = make_folder("a"), make_folder("b")
    found = collect([first, second, first, first / ".." / "a"])
    assert [one.title for one in found] == [f"clswgan on FLO, preset small, in {folder}" for folder in (first, second)]
    one, two = read_results(first), read_results(make_folder("c", generator="cvae"))
    joined = first.parent / "joined"
    write_results(joined, [*one.runs, *two.runs], {}, [])
    assert [comparison.title for comparison in collect([joined])] == ["clswgan on FLO", "cvae on FLO"]


def test_the_training_share_is_part_of_the_title(make_folder):
    assert collect([make_folder(train_fraction=0.1)])[0].title == "clswgan on FLO, 10 % of training images"


def test_p_is_adjusted_over_everything_that_is_reported(make_folder):
    found = collect([make_folder("a"), make_folder("b", spread=0.2, gain=0.0)])
    rows = [row for one in found for row in one.summary if row.metric == "U"]
    assert len(rows) == 4
    assert [row.holm_p for row in rows] == holm([row.difference.wilcoxon_p for row in rows])


def test_results_without_runs_are_refused(tmp_path):
    write_results(tmp_path, [], {}, [])
    with pytest.raises(DataError, match="holds no runs"):
        collect([tmp_path])
    with pytest.raises(DataError, match=r"results\.json: cannot be read"):
        collect([tmp_path / "nothing" / "results.json"])


def test_losses_without_the_line_that_was_cut_off(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "losses": {"a": 2}}\n{"step": 2, "lo')
    assert read_losses(tmp_path) == [(1, {"a": 2.0})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no losses"),
        ("1\n", "line 1 is not"),
        ('{"step": 1, "losses": {"a": "x"}}\n', "line 1 is not"),
        ('{"step": true, "losses": {}}\n', "line 1 is not"),
        ('{"step": 1, "losses": {"a": NaN}}\n', "finite"),
        ('{"step": 1, "losses": []}\n', "line 1 is not"),
    ],
)
def test_losses_that_are_none(tmp_path, content, message):
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        read_losses(tmp_path)


def test_losses_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_losses(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_losses(tmp_path)


def test_an_artefact_of_another_schema_is_said(make_folder):
    folder = make_folder()
    path = folder / "clswgan/seed-3/enhanced/artefacts.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": "d3wrap.artefacts/9"}))
    assert "schema: expected 'd3wrap.artefacts/1', found 'd3wrap.artefacts/9'" in collect([folder])[0].missing()[0]
