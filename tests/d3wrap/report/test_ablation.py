"""The report of an ablation says what its numbers say, and no more."""

import csv
import io
import re

import pytest

from d3wrap.ablation.storage import write_ablation
from d3wrap.ablation.variants import variants_of
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.run import Plan
from d3wrap.manager import load_plugins
from d3wrap.report.ablation import collect_ablations, holds_ablation
from d3wrap.report.ablation_documents import ablation_csv, ablation_latex, ablation_markdown
from d3wrap.report.ablation_page import ablation_page

from .conftest import BASE, fractions

KNOWN = {variant.name: variant for variant in variants_of(Plan("clswgan"), load_plugins(environ={}), 0.1).all}
GAINS = {"baseline": 0.0, "full": 0.05, "without-o2dbd": 0.02, "only-id2sd": 0.05, "released": 0.09}


@pytest.fixture
def make(tmp_path):
    """Write an ablation of made-up numbers and return its section; ``seeds`` may be by variant."""

    def make(name="ablation", gains=GAINS, seeds=8, classifiers=("softmax", "student"), **changes):
        reached = []
        for variant, gain in gains.items():
            runs = []
            for seed in range(seeds[variant] if isinstance(seeds, dict) else seeds):
                for one in classifiers:
                    arm = "baseline" if variant == "baseline" else "enhanced"
                    moved = fractions("enhanced", f"{variant}{seed}{one}", gain, 0.01, changes)
                    fields = BASE | {"arm": arm, "seed": seed, "classifier": one} | moved
                    runs.append(RunResult(**fields | {"formulation": None if arm == "baseline" else "corrected"}))
            reached.append((KNOWN[variant], runs))
        folder = tmp_path / name
        write_ablation(folder, reached, {}, ["d3wrap", "ablate"])
        (section,) = collect_ablations([folder])
        return section

    return make


def test_the_verdict_is_about_all_of_it(make):
    section = make()
    assert section.title == "clswgan on FLO: what each part of D³ does"
    assert section.verdict.kind == "rise"
    assert re.match(
        r"All of D³ changed H of the softmax classifier by \+[45]\.\d points against the baseline \(95 % interval \+",
        section.verdict.sentence,
    )
    assert section.sentences == [
        "Of 3 variants, H is reliably higher than with all of D³ in released, and reliably lower in without-o2dbd."
    ]
    assert make("down", {"baseline": 0.1, "full": 0.0}).verdict.kind == "fall"
    assert make("alone", {"baseline": 0.1, "full": 0.0}).sentences == []


def test_with_few_seeds_nothing_is_reliable_and_it_says_how_many_it_takes(make):
    section = make(seeds=5)
    assert "with fewer than 6 seeds it cannot be significant" in section.verdict.sentence
    assert section.sentences == [
        "Of 3 variants, H is reliably higher than with all of D³ in none, and reliably lower in none.",
        "With fewer than 7 seeds none of 3 can be.",
    ]
    assert not any(part.tested for part in section.parts)
    six = make("six", seeds=6)
    assert six.sentences[1].startswith("Adjusted for 3 tests, p cannot fall below 0.05 with fewer than 7 seeds")
    assert "in none, and reliably lower in none" in six.sentences[0]


def test_without_a_reference_there_is_no_verdict(make):
    section = make(gains={"baseline": 0.0, "released": 0.1})
    assert section.verdict.sentence.startswith("Without runs of both the baseline and all of D³")
    assert [figure.title for figure in section.parts[0].figures] == ["Against the baseline"]
    assert "Nothing to compare" in ablation_page([make("bare", gains={"full": 0.1})])


def test_lines_hold_the_summary(make):
    section = make()
    rows = {(row.variant, row.classifier): row for row in section.ablation.summary if row.metric == "H"}
    for part in section.parts:
        assert [line.variant for line in part.lines] == list(GAINS)
        for line in part.lines:
            row = rows[line.variant, part.classifier]
            assert (line.baseline.row, line.full.row) == (row.against_baseline, row.against_full)
            assert (line.baseline.adjusted, line.full.adjusted) == (row.baseline_holm_p, row.full_holm_p)
            assert line.values[3] == row.mean
    kinds = {line.variant: (line.baseline.kind, line.full.kind) for line in section.parts[0].lines}
    assert kinds == {
        "baseline": ("", ""),
        "full": ("gain", ""),
        "without-o2dbd": ("gain", "drop"),
        "only-id2sd": ("gain", ""),
        "released": ("gain", "gain"),
    }


def test_a_picture_says_its_numbers(make):
    section = make()
    figure = section.parts[0].figures[1]
    assert "Change of H against all of d³, in percent points. without-o2dbd −" in figure.picture
    assert str(figure.picture).count('class="interval"') == 3
    one = make("one", seeds=1).parts[0].figures[0]
    assert str(one.picture).count('class="interval"') == 0
    assert str(one.picture).count('class="mean-mark"') == 4


def test_the_page_holds_every_variant_and_escapes(make):
    text = ablation_page([make(), make("other", dataset="<script>alert(1)</script>")])
    assert "<h1>2 ablations of D³</h1>" in text
    assert "<script>alert" not in text
    assert len(re.findall(r"<tr[ >]", text)) == 2 * 2 * (1 + len(GAINS))
    assert '<abbr title="every correction off, as its authors released it">released</abbr>' in text
    assert "Content-Security-Policy" in text
    assert "in colour: intervals that leave out 0" in text
    assert "Below six seeds no test can be significant" in ablation_page([make("few", seeds=2)])


def test_documents_hold_every_row(make):
    section = make()
    text = ablation_markdown([section])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 * (2 + len(GAINS))
    assert {row.count(" | ") for row in rows} == {11}
    assert "Holm: exact Wilcoxon p" in text
    assert "- split: att\\_splits.mat" in text
    written = ablation_latex([section])
    assert written.count(r"\toprule") == 2
    assert written.count(r"\midrule") == 2 * 3, "below the head, and between references, objectives and corrections"
    table = list(csv.DictReader(io.StringIO(ablation_csv([section, section]))))
    assert len([row for row in table if row["variant"] != "variant"]) == 2 * len(section.ablation.summary)
    few = ablation_markdown([make("few", seeds=3)])
    assert "Holm" not in few
    assert {line.count(" | ") for line in few.splitlines() if line.startswith("| ")} == {9}


def test_the_test_set_is_shouted(make):
    section = make(protocol="paper", test_used_for_selection=True, train_fraction=0.1)
    assert ("test set used for selection", "YES") in section.facts
    assert section.title == "clswgan on FLO, 10 % of training images: what each part of D³ does"


def test_an_ablation_is_known_by_its_file(make, tmp_path):
    folder = make().source
    assert holds_ablation(folder)
    assert holds_ablation(folder / "ablation.json")
    assert not holds_ablation(tmp_path)
    assert not holds_ablation(folder / "ablation.csv")
    assert collect_ablations([folder, folder])[0].source == folder
    assert len(collect_ablations([folder, folder])) == 1
