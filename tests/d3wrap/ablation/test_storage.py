"""What is written can be read, and nothing else can."""

import csv
import dataclasses
import json

import pytest

from d3wrap.ablation.storage import COLUMNS, read_ablation, write_ablation
from d3wrap.ablation.variants import variants_of
from d3wrap.errors import DataError


def test_what_is_written_is_read_back(make_ablation):
    folder, written = make_ablation()
    read = read_ablation(folder)
    assert read == read_ablation(folder / "ablation.json")
    assert [(one.name, one.kind, one.says) for one in read.variants] == [
        ("baseline", "reference", "without D³"),
        ("full", "reference", "D³ as the command asks for it"),
        ("without-o2dbd", "objective", "o2dbd off"),
        ("released", "correction", "every correction off, as its authors released it"),
    ]
    assert [list(one.runs) for one in read.variants] == [list(one.runs) for one in written.variants]
    assert read.summary == written.summary
    assert read.variants[2].block == ["o2dbd"]
    assert read.variants[3].d3["formulation"] == "released"
    stored = json.loads((folder / "ablation.json").read_text())
    assert stored["summary"] == json.loads(json.dumps([dataclasses.asdict(row) for row in read.summary]))


def test_the_csv_holds_the_summary_unrounded(make_ablation):
    folder, written = make_ablation()
    rows = list(csv.DictReader((folder / "ablation.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == COLUMNS
    for stored, row in zip(rows, written.summary, strict=True):
        assert (stored["variant"], stored["classifier"], stored["metric"]) == (row.variant, row.classifier, row.metric)
        assert float(stored["mean"]) == row.mean
        for reference, found, p in (
            ("baseline", row.against_baseline, row.baseline_holm_p),
            ("full", row.against_full, row.full_holm_p),
        ):
            texts = [stored[f"{name}_against_{reference}"] for name in ("change", "low", "high", "wins", "wilcoxon_p")]
            if found is None:
                assert set(texts) == {""}
            else:
                assert [float(text) for text in texts] == [
                    found.mean, found.low, found.high, found.wins, found.wilcoxon_p,
                ]  # fmt: skip
                assert float(stored[f"holm_p_against_{reference}"]) == p


def test_variants_without_runs_are_left_out(make_ablation, plan, plugins, tmp_path):
    _, first = make_ablation()
    known = {variant.name: variant for variant in variants_of(plan, plugins, 0.1).all}
    reached = [(known["baseline"], first.variants[0].runs), (known["full"], [])]
    assert [one.name for one in write_ablation(tmp_path, reached, {}).variants] == ["baseline"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "d3wrap.ablation/0"}, "schema: expected 'd3wrap.ablation/1', found 'd3wrap.ablation/0'"),
        ({"variants": {}}, "variants: missing or of another type"),
        ({"command": None}, "command: missing or of another type"),
        ({"variants": []}, "variants: expected at least one, and none twice"),
        ({"variants": ["x"]}, "variants: expected name, kind, says, block, d3, runs in each, found x"),
    ],
)
def test_what_is_not_as_it_is_written_is_named(make_ablation, change, message):
    folder, _ = make_ablation()
    path = folder / "ablation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=f"ablation.json: {message}"):
        read_ablation(folder)


def test_a_variant_that_is_wrong_is_named(make_ablation):
    folder, _ = make_ablation()
    path = folder / "ablation.json"
    whole = json.loads(path.read_text())

    def message(change):
        stored = json.loads(json.dumps(whole))
        change(stored["variants"])
        path.write_text(json.dumps(stored))
        with pytest.raises(DataError) as caught:
            read_ablation(path)
        return str(caught.value)

    assert "variant full: runs: H: " in message(lambda v: v[1]["runs"][0].update(H=2))
    assert "variant full: runs: " in message(lambda v: v[1].update(runs=[3]))
    assert "variant full: runs: expected at least one" in message(lambda v: v[1].update(runs=[]))
    assert "none twice" in message(lambda v: v[1].update(name="baseline"))


@pytest.mark.parametrize("content", ["{", "[]", "null"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"ablation\.json: cannot be read"):
        read_ablation(tmp_path)
    (tmp_path / "ablation.json").write_text(content)
    with pytest.raises(DataError, match=r"ablation\.json: (not JSON|schema: expected)"):
        read_ablation(tmp_path)
