"""Several comparisons of one folder, as a sweep leaves them: kept apart, told apart, and shown at a glance."""

import functools
import json
import re

import pytest

from d3wrap.comparison.aggregate import aggregate
from d3wrap.comparison.statistics import holm
from d3wrap.comparison.storage import read_results, write_results
from d3wrap.report.collect import collect
from d3wrap.report.documents import latex_report, markdown_report
from d3wrap.report.overview import overview
from d3wrap.report.page import html_page

CASES = [
    (dataset, share, generator)
    for dataset in ("FLO", "digits")
    for share in (0.1, 1.0)
    for generator in ("clswgan", "gsmflow")
]


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    """Spare the tests most of a bootstrap."""
    monkeypatch.setattr("d3wrap.comparison.overview.aggregate", functools.partial(aggregate, resamples=20))


@pytest.fixture
def make_sweep(make_folder, tmp_path):
    """Write one folder with the results of several comparisons and the folders of their runs."""

    def make(cases=CASES, seeds=2, **options):
        runs = []
        for number, (dataset, share, generator) in enumerate(cases):
            folder = make_folder(
                f"sweep/{dataset}/train-{share:g}/{number}", dataset=dataset, train_fraction=share,
                generator=generator, gain=0.02 * number, seeds=seeds, classifiers=("softmax",), **options,
            )  # fmt: skip
            runs += read_results(folder).runs
            (folder / "results.json").unlink()
        write_results(tmp_path / "sweep", runs, {}, ["d3wrap", "compare"])
        return tmp_path / "sweep"

    return make


def test_each_comparison_has_its_own_runs_and_numbers(make_sweep):
    found = collect([make_sweep()])
    assert [(one.first.dataset, one.first.train_fraction, one.first.generator) for one in found] == CASES
    for number, one in enumerate(found):
        assert len(one.files) == 4
        assert one.missing() == []
        assert {path.parts[-3] for path in (files.folder for files in one.files.values())} == {
            {"clswgan": "clswgan", "gsmflow": "gsmflow"}[one.first.generator]
        }
        assert one.row("softmax", "H").difference.mean == pytest.approx(0.02 * number, abs=0.021)
    assert len({one.title for one in found}) == 8


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("features", "res101.mat", "features"),
        ("semantics", "tfidf", "semantics"),
        ("split", "own.mat", "split"),
        ("protocol", "fixed", "protocol"),
        ("preset", "paper", "preset"),
    ],
)
def test_comparisons_of_the_same_title_are_told_apart(make_folder, tmp_path, name, value, said):
    folders = [make_folder("sweep/a", seeds=1), make_folder("sweep/b", seeds=1, **{name: value})]
    write_results(tmp_path / "sweep", [run for one in folders for run in read_results(one).runs], {}, [])
    first, second = collect([tmp_path / "sweep"])
    assert first.title != second.title
    assert f", {said} {value}" in second.title
    assert ", in " not in second.title


def test_a_failure_is_said_where_it_belongs(make_sweep):
    folder = make_sweep(CASES[:3], seeds=1)
    manifest = {
        "config": {"generator": "clswgan", "preset": "small"},
        "dataset": {
            "name": "FLO",
            "train_fraction": 1.0,
            "provenance": {"features": "mbv2.mat", "semantics": "att", "split": "att_splits.mat"},
        },
    }
    failed = folder / "FLO" / "train-1" / "clswgan" / "seed-7" / "baseline"
    failed.mkdir(parents=True)
    (failed / "error.txt").write_text("TrainingError: the loss is NaN\n")
    (failed / "manifest.json").write_text(json.dumps(manifest))
    said = [[line for line in one.missing() if "the loss is NaN" in line] for one in collect([folder])]
    assert [len(lines) for lines in said] == [0, 0, 1]
    # Of a comparison that is not shown, and of what no manifest tells: with all of them.
    for content in (json.dumps(manifest | {"dataset": {**manifest["dataset"], "name": "SUN"}}), "{", '{"config": []}'):
        (failed / "manifest.json").write_text(content)
        said = [[line for line in one.missing() if "the loss is NaN" in line] for one in collect([folder])]
        assert [len(lines) for lines in said] == [1, 1, 1]


def test_the_overview_holds_the_verdicts_numbers(make_sweep):
    comparisons = collect([make_sweep(seeds=6)])
    found = overview(comparisons)
    assert found.names == ["dataset", "images", "generator"]
    assert [line.cells for line in found.lines] == [
        (dataset, f"{100 * share:g} %", generator) for dataset, share, generator in CASES
    ]
    assert [line.order for line in found.lines] == CASES
    assert found.choices == [["FLO", "digits"], ["10 %", "100 %"], ["clswgan", "gsmflow"]]
    p_values = [one.row("softmax", "H").difference.wilcoxon_p for one in comparisons]
    assert [line.adjusted for line in found.lines] == holm(p_values)
    assert [re.sub(r"interquartile.*", "", text) for text in found.by_generator] == [
        "clswgan, over 4 comparisons: ",
        "gsmflow, over 4 comparisons: ",
    ]
    assert [figure.title for figure in found.shares] == [
        f"{generator} on {dataset}" for dataset in ("FLO", "digits") for generator in ("clswgan", "gsmflow")
    ]


def test_a_figure_over_shares_says_its_numbers(make_sweep):
    comparisons = collect([make_sweep([("FLO", 1.0, "clswgan"), ("FLO", 0.1, "clswgan")])])
    found = overview(comparisons)
    (figure,) = found.shares
    for one in comparisons:
        mean = one.row("softmax", "H").enhanced_mean
        assert f"{100 * mean:.1f} at {100 * one.first.train_fraction:g} %" in figure.picture
    assert figure.picture.index("at 10 %") < figure.picture.index("at 100 %")
    assert found.by_generator == []  # one generator: the sentence about all says it


def test_folders_are_told_apart(make_folder):
    found = overview(collect([make_folder("a", seeds=1), make_folder("b", seeds=1)]))
    assert found.names == ["generator", "folder"]
    assert [line.cells[-1].rpartition("/")[2] for line in found.lines] == ["a", "b"]
    assert found.choices[0] == []
    assert (found.by_generator, found.shares, found.tested) == ([], [], False)


def test_the_page_has_the_overview_and_choices(make_sweep):
    text = html_page(collect([make_sweep(seeds=1)]))
    assert text.count("<select data-filter=") == 3
    assert len(re.findall(r'<article id="comparison-\d+" data-values="\[&#34;FLO&#34;', text)) == 4
    assert text.count('<a href="#comparison-3">') == 2  # in the table and in the list of sentences


def test_a_hostile_name_stays_text(make_sweep):
    evil = "'\"><script>alert(1)</script>"
    text = html_page(collect([make_sweep([("FLO", 1.0, evil.replace("/", "∕")), (evil.replace("/", "∕"), 1.0, "x")])]))
    assert "<script>alert" not in text


def test_documents_begin_with_the_overview(make_sweep):
    comparisons = collect([make_sweep(seeds=6)])
    text = markdown_report(comparisons)
    head, _, rest = text.partition("\n## ")
    rows = [line for line in head.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 8
    assert rows[2].startswith("| FLO | 10 % | clswgan | ")
    assert rows[0].endswith("| seeds up | Holm | change of AUSUC |")
    assert head.count("\n- ") == 2
    assert (
        "Holm: exact Wilcoxon p, adjusted for these 8 comparisons. Adjusted for 8 tests, p cannot fall below 0.05 with "
        "fewer than 9 seeds." in head
    )
    assert rest
    written = latex_report(comparisons)
    assert written.count(r"\toprule") == 9
    assert r"FLO & 10 \% & clswgan & " in written.partition(r"\end{table}")[0]


def test_with_enough_seeds_nothing_is_said_of_their_number(make_sweep):
    comparisons = collect([make_sweep(CASES[:2], seeds=7)])
    assert overview(comparisons).note == "Holm: exact Wilcoxon p, adjusted for these 2 comparisons."
    assert "adjusted for these 2 comparisons. The choices" in html_page(comparisons)


def test_below_six_seeds_there_is_no_p(make_sweep):
    comparisons = collect([make_sweep(CASES[:2])])
    assert not overview(comparisons).tested
    assert "Holm" not in markdown_report(comparisons).partition("\n## ")[0]
