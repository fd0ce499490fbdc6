import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.report.collect import collect
from d3wrap.report.documents import latex_report, markdown_report
from d3wrap.report.tables import CSV_COLUMNS, csv_table, lines
from d3wrap.report.text import LATEX, latex, markdown

NASTY = r"\input{x} & 100% $x_1^2$ #1 ~ <script>alert(1)</script> | [a](http://b.c) `c` *d* --- ''"


@given(st.text(alphabet=st.sampled_from([*LATEX, "a", "1", " ", "\n", "\t", "é"])))
def test_latex_commands_nothing(text):
    made = latex(text)
    # Taking away what we wrote must leave nothing that LaTeX reads as more than a letter.
    rest = made
    for written in sorted(set(LATEX.values()), key=len, reverse=True):
        rest = rest.replace(written, "")
    assert not re.search(r"[\\{}$&#%_^~<>|\"'`\n\t−±→γ³–…]", rest)


def test_latex_can_be_undone():
    back = {value: key for key, value in LATEX.items()}
    pieces = re.findall("|".join(map(re.escape, sorted(back, key=len, reverse=True))) + "|.", latex(NASTY))
    assert "".join(back.get(piece, piece) for piece in pieces) == NASTY


def test_dashes_are_not_joined():
    assert latex("a--b") == "a-{}-{}b"


@given(st.text(alphabet="<>&|`*_[]()#!~$\\ab\n\r\u2028@"))
def test_markdown_holds_no_html_cell_or_line(text):
    made = markdown(text)
    assert not re.search(r"[<>\n\r\u2028@]", made)
    assert not re.search(r"(?<!\\)(\\\\)*[|`*_\[\]$~](?<!\\.)", re.sub(r"\\.", "", made))


def test_markdown_links_to_nothing():
    assert "://" not in markdown(NASTY)
    assert "www." not in markdown("www.evil.example")


def test_the_markdown_table_has_every_row(comparisons):
    text = markdown_report(comparisons)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(comparisons[0].summary)
    assert {line.count(" | ") for line in rows} == {9}
    assert "- test set used for selection: no" in text
    assert "| softmax | H | 64." in text


def test_several_are_summed_up(make_folder):
    text = markdown_report(collect([make_folder("a"), make_folder("b")]))
    assert text.startswith("Of 2 comparisons")
    assert text.count("\n## ") == 2


@pytest.mark.parametrize("field", ["dataset", "generator", "features", "split"])
def test_names_cannot_break_out(make_folder, field):
    comparisons = collect([make_folder(**{field: NASTY})])
    written = latex_report(comparisons)
    assert r"\textbackslash{}input\{x\} \& 100\% \$x\_1" in written
    assert r"\input" not in written
    assert "<script" not in markdown_report(comparisons)


def test_the_latex_table_is_booktabs(comparisons):
    text = latex_report(comparisons)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert text.count(r"\midrule") == 2, "below the head, and between the classifiers"
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + len(comparisons[0].summary)
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {9}
    assert "Nothing was chosen on the test set" in text


@pytest.mark.parametrize("report", [markdown_report, latex_report])
def test_a_table_says_where_its_tests_cannot_be_significant(make_folder, report):
    said = "for all rows of the same metric. Adjusted for 2 tests, p cannot fall below 0.05 with fewer than 7 seeds."
    assert said in report(collect([make_folder("six", seeds=6)]))
    assert "cannot fall" not in report(collect([make_folder("seven", seeds=7)]))
    assert "cannot fall" not in report(collect([make_folder("one", classifiers=("softmax",))]))
    four = report(collect([make_folder("a", seeds=7), make_folder("b", seeds=7)]))
    assert four.count("Adjusted for 4 tests, p cannot fall below 0.05 with fewer than 8 seeds.") == 2


def test_latex_says_where_the_test_set_chose(make_folder):
    folder = make_folder(protocol="paper", test_used_for_selection=True)
    assert "Chosen on the test set, as the papers did" in latex_report(collect([folder]))
    assert "test set used for selection: YES" in markdown_report(collect([folder]))


def test_the_csv_holds_the_numbers_unrounded(comparisons):
    rows = list(csv.DictReader(io.StringIO(csv_table(comparisons))))
    assert tuple(rows[0]) == CSV_COLUMNS
    for stored, row in zip(rows, comparisons[0].summary, strict=True):
        assert float(stored["difference"]) == row.difference.mean
        assert float(stored["holm_p"]) == row.holm_p
        assert (stored["classifier"], stored["metric"]) == (row.classifier, row.metric)


def test_the_csv_of_one_seed_has_empty_cells(make_folder):
    row = next(csv.DictReader(io.StringIO(csv_table(collect([make_folder(seeds=1)])))))
    assert row["low"] == row["high"] == row["baseline_std"] == row["effect_size"] == ""


def test_the_csv_starts_no_formula(make_folder):
    text = csv_table(collect([make_folder(dataset="=1+1", generator="@x", preset="-2")]))
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["dataset"], row["generator"], row["preset"]) == ("'=1+1", "'@x", "'-2")


def test_lower_is_better_where_it_is(make_folder):
    folder = make_folder(seeds=9, classifiers=("softmax",))
    results = collect([folder])[0]
    by_metric = {line.metric: line for line in lines(results)}
    assert by_metric["H"].tendency == "gain"
    assert by_metric["ECE"].tendency == ""
    assert by_metric["H"].seeds_up == "9/9"
    assert by_metric["ECE"].effect == ""


def test_tests_are_left_out_below_six_seeds(make_folder):
    for line in lines(collect([make_folder(seeds=5)])[0]):
        assert (line.p, line.holm, line.tendency) == ("", "", "")
