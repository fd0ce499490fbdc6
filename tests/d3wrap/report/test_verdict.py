import json
import re

import pytest

from d3wrap.comparison.statistics import paired_difference
from d3wrap.report.collect import collect
from d3wrap.report.remarks import beyond_seeds, budgets, calibrated, multiplicity, other_steps, remarks
from d3wrap.report.verdict import judge, overall, together, verdicts


def difference(*gains):
    return paired_difference(dict.fromkeys(range(len(gains)), 0.5), {i: 0.5 + gain for i, gain in enumerate(gains)})


STEADY = (0.02, 0.021, 0.022, 0.019, 0.018, 0.023)


@pytest.mark.parametrize(
    ("gains", "kind", "words"),
    [
        (STEADY, "rise", "a reliable rise (exact Wilcoxon p = 0.031)"),
        ([-gain for gain in STEADY], "fall", "a reliable fall (exact Wilcoxon p = 0.031)"),
        ((0.02, -0.03, 0.01, -0.01, 0.05, 0.0), "none", "no reliable difference"),
        (STEADY[:5], "none", "the interval leaves out 0, but with fewer than 6 seeds it cannot be significant"),
        ((0.02, -0.03), "none", "no reliable difference, and with fewer than 6 seeds it cannot be significant"),
        ((0.2,), "none", "one seed cannot show a reliable difference"),
        ((0.0,) * 6, "none", "no difference at all"),
        ((-0.001, 0.03, 0.031, 0.029, 0.03, 0.031), "none",
         "the interval leaves out 0, but the exact test does not confirm it (exact Wilcoxon p = 0.062)"),
        ((0.001,) * 6 + (0.9,), "none",
         "not reliable, as the interval includes 0, although the exact test disagrees (exact Wilcoxon p = 0.016)"),
    ],
)  # fmt: skip
def test_a_change_is_called_reliable_only_where_interval_and_test_agree(gains, kind, words):
    found = difference(*gains)
    judged = judge(found, found.wilcoxon_p)
    assert (judged.sentence, judged.kind) == (words, kind)


def test_the_sentence_holds_difference_interval_and_seeds(make_folder):
    comparison = collect([make_folder(gain=-0.02, spread=0.2)])[0]
    found = comparison.row("softmax", "H").difference
    (judged,) = verdicts([comparison])
    low, high = (f"{100 * end:+.1f}".replace("-", "−") for end in (found.low, found.high))
    mean = f"{100 * found.mean:+.1f}".replace("-", "−")
    assert judged.sentence == (
        f"D³ changed H of the softmax classifier (clswgan on FLO) by {mean} points "
        f"(95 % interval {low} to {high}, 6 seeds): {judge(found, found.wilcoxon_p).sentence}."
    )


def test_selection_on_the_test_set_is_part_of_the_sentence(make_folder):
    folder = make_folder(protocol="paper", test_used_for_selection=True)
    assert "chosen on the test set, so their values are too high" in verdicts(collect([folder]))[0].sentence


def test_one_seed_has_no_interval(make_folder):
    (judged,) = verdicts(collect([make_folder(seeds=1)]))
    assert "points (1 seed): one seed cannot" in judged.sentence


def test_the_headline_is_softmax_else_the_first(make_folder):
    assert "H of the student classifier" in verdicts(collect([make_folder(classifiers=("student",))]))[0].sentence
    assert (
        "H of the softmax classifier"
        in verdicts(collect([make_folder("b", classifiers=("student", "softmax"))]))[0].sentence
    )


def test_several_comparisons_are_adjusted_for_each_other(make_folder):
    one = collect([make_folder("a")])
    assert verdicts(one)[0].kind == "rise"
    both = collect([make_folder("b"), make_folder("c", spread=0.012)])
    for judged in verdicts(both):
        assert judged.kind == "none"
        assert "p = 0.062 after Holm's adjustment for 2 comparisons" in judged.sentence
    assert (
        overall(both)
        == "Of 2 comparisons, H rose reliably in 0, fell reliably in 0, and changed in no reliable way in 2."
    )


def test_a_family_that_cannot_reach_significance_is_told_how_many_seeds_it_takes(make_folder):
    def sentences(seeds, *names, **options):
        return [one.sentence for one in verdicts(collect([make_folder(n, seeds=seeds, **options) for n in names]))]

    for sentence in sentences(6, "a", "b"):
        assert "the interval leaves out 0, but with fewer than 7 seeds it cannot be significant (exact" in sentence
    for sentence in sentences(5, "c", "d", "e", "f"):
        assert "but with fewer than 8 seeds it cannot be significant (exact Wilcoxon p = 0.250 after" in sentence
    for sentence in sentences(7, "g", "h"):
        assert "a reliable rise (exact Wilcoxon p = 0.031 after Holm's adjustment for 2 comparisons)" in sentence
    for sentence in sentences(6, "i", "j", gain=0.04, spread=0.05):
        assert "no reliable difference, and with fewer than 7 seeds it cannot be significant" in sentence
    # Beside one of more seeds, which can come first, six seeds are enough for the other.
    both = verdicts(collect([make_folder("k", seeds=6), make_folder("l", seeds=9)]))
    assert [one.kind for one in both] == ["rise", "rise"]


def test_together_names_the_probability_of_improvement(make_folder):
    both = collect([make_folder("a"), make_folder("b")])
    assert "with probability 1.00 (1.00 to 1.00; stratified bootstrap" in together(both)


def test_h_is_never_left_alone(comparisons):
    assert "AUSUC, which no such shift changes, changed by +" in remarks(comparisons[0])[-1]


def test_what_calibration_leaves_is_said(make_folder, comparisons):
    assert calibrated(comparisons[0]) == ""
    folder = make_folder("calibrated", seeds=6)
    path = folder / "results.json"
    stored = json.loads(path.read_text())
    for run in stored["runs"]:
        gain = 0.02 + 0.002 * run["seed"] if run["arm"] == "enhanced" else 0.0
        run.update(gamma=1.0, U_gamma=0.5, S_gamma=0.5, H_gamma=0.5 + gain)
    path.write_text(json.dumps(stored))
    (one,) = collect([folder])
    assert calibrated(one) == (
        "With each arm calibrated by the γ of its validation worlds, H is 50.0 without D³ and 52.5 with it, a change "
        "of +2.5 points (95 % interval +2.1 to +2.9): a reliable rise (exact Wilcoxon p = 0.031)."
    )
    assert calibrated(one) in remarks(one)


def test_classes_and_images_are_drawn_anew_too(comparisons, make_folder):
    assert beyond_seeds(comparisons[0]) == (
        "That interval is over seeds alone. A bootstrap, which is too narrow with so few seeds, that draws classes and "
        "test images anew as well, gives the change of H the 95 % interval 0.0 to 0.0 points."
    )
    assert "A bootstrap, that draws" in beyond_seeds(collect([make_folder("ten", seeds=10)])[0])
    folder = make_folder("moved", seeds=3)
    assert beyond_seeds(collect([make_folder("one", seeds=1)])[0]) == ""
    path = folder / "clswgan/seed-0/enhanced/artefacts.json"
    stored = json.loads(path.read_text())
    stored["outcomes"]["unseen"]["right"] = dict.fromkeys(("softmax", "student"), "AA==")
    path.write_text(json.dumps(stored))
    said = beyond_seeds(collect([folder])[0])
    assert re.search(r"interval −\d+\.\d to 0\.0 points\.$", said)
    stored["outcomes"]["unseen"]["labels"] = stored["outcomes"]["unseen"]["labels"].replace("AgAAAA", "AwAAAA")
    path.write_text(json.dumps(stored))
    assert beyond_seeds(collect([folder])[0]) == "", "other images"
    path.unlink()
    assert beyond_seeds(collect([folder])[0]) == "", "not all kept them"


def test_the_gap_of_choosing_on_the_test_set_is_said(make_folder):
    folder = make_folder(H=0.6, protocol="paper", test_used_for_selection=True, last_step={"H": 0.5}, last5={"H": 0.55})
    said = other_steps(collect([folder])[0])
    assert "put H +10.0 points above the last step without D³, and +10.0 with it" in said
    assert "at the last step D³ changed H by 0.0 points (0.0 to 0.0)." in said
    assert said.endswith("each run (fewer where it has fewer), the change is 0.0 points (0.0 to 0.0).")
    assert beyond_seeds(collect([folder])[0]) == "", "outcomes are those of the last step"
    assert other_steps(collect([make_folder("other", seeds=1, last5={"H": 0.5})])[0]).endswith("is 0.0 points.")
    assert other_steps(collect([make_folder("none")])[0]) == ""


def test_different_numbers_of_steps_are_said(make_folder, comparisons):
    assert budgets(comparisons[0]) == ""
    folder = make_folder("chosen")
    path = folder / "results.json"
    stored = json.loads(path.read_text())
    for run in stored["runs"]:
        if run["arm"] == "baseline" and run["seed"] < 2:
            run["steps"] = 1000
    path.write_text(json.dumps(stored))
    assert budgets(collect([folder])[0]) == (
        "In 2 of 6 seeds the steps chosen for the two arms differ (3000 on average without D³, 4000 with it): the "
        "change is that of D³ and of this choice together."
    )


def test_many_differences_are_warned_of(comparisons, make_folder):
    rows = comparisons[0].summary
    outside = sum(row.difference.low > 0 or row.difference.high < 0 for row in rows)
    assert f"hold {len(rows)} differences; the intervals of {outside} of them" in multiplicity(comparisons)
    assert multiplicity(collect([make_folder("quiet", seeds=1)])) == ""
