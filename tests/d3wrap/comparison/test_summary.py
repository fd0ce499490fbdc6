import statistics

import pytest

from d3wrap.comparison.results import CALIBRATED, METRICS
from d3wrap.comparison.statistics import paired_difference
from d3wrap.comparison.summary import APART, by_comparison, summarise
from d3wrap.errors import DataError


def test_each_metric_equals_its_loop(make_runs):
    runs = make_runs(range(4))
    rows = summarise(reversed(runs))
    assert [(r.classifier, r.metric) for r in rows] == [
        (classifier, metric) for classifier in ("student", "softmax") for metric in METRICS
    ]
    for row in rows:
        before = {
            r.seed: getattr(r, row.metric) for r in runs if r.arm == "baseline" and r.classifier == row.classifier
        }
        after = {r.seed: getattr(r, row.metric) for r in runs if r.arm == "enhanced" and r.classifier == row.classifier}
        assert row.baseline_mean == pytest.approx(sum(before.values()) / 4)
        assert row.enhanced_mean == pytest.approx(sum(after.values()) / 4)
        assert row.baseline_std == pytest.approx(statistics.stdev(before.values()))
        assert row.enhanced_std == pytest.approx(statistics.stdev(after.values()))
        assert row.difference == paired_difference(before, after)
        assert row.difference.wins == 4


def test_generators_are_summed_up_apart(make_runs):
    rows = summarise(make_runs([0]) + make_runs([0, 1], generator="cvae"))
    assert {(row.generator, row.difference.n) for row in rows} == {("clswgan", 1), ("cvae", 2)}


OTHERWISE = {
    "dataset": "SUN", "features": "res101.mat", "semantics": "tfidf", "split": "own.mat", "train_fraction": 0.1,
    "generator": "cvae", "preset": "small", "protocol": "fixed", "dtype": "float64", "precision": "tf32",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERWISE)
def test_whatever_tells_two_comparisons_apart_keeps_them_apart(make_runs, name):
    """The same seeds in both; the second with other numbers, so that a mean over both could not pass."""
    first, second = make_runs(range(3)), make_runs(range(3), gain=-0.1, **{name: OTHERWISE[name]})
    mixed = [run for pair in zip(first, second, strict=True) for run in pair]
    found = [row for row in summarise(mixed) if (row.classifier, row.metric) == ("softmax", "H")]
    expected = [summarise(runs) for runs in (first, second)]
    alone = [next(row for row in rows if (row.classifier, row.metric) == ("softmax", "H")) for rows in expected]
    assert [(row.baseline_mean, row.difference) for row in found] == [
        (row.baseline_mean, row.difference) for row in alone
    ]
    assert found[0].difference.mean > 0 > found[1].difference.mean
    if name not in ("dtype", "precision"):  # of these a file holds one
        assert getattr(found[1], name) == OTHERWISE[name]
    assert list(by_comparison(mixed).values()) == [first, second]
    assert name in APART


def test_a_name_says_the_share_of_training_images(make_runs):
    runs = make_runs([0], train_fraction=0.125)
    with pytest.raises(DataError, match=r"on FLO \(12\.5% of training images\), classifier softmax: seed 0 occurs"):
        summarise([*runs, runs[0]])


def test_calibrated_metrics_are_summed_up_where_all_runs_have_them(make_runs):
    calibrated = {"gamma": 1.0, "U_gamma": 0.6, "S_gamma": 0.6, "H_gamma": 0.6}
    with_gamma = make_runs([0], **calibrated)
    assert {row.metric for row in summarise(with_gamma)} == {*METRICS, *CALIBRATED}
    mixed = [make_runs([0])[0], *with_gamma[1:]]
    assert {row.metric for row in summarise(mixed) if row.classifier == "softmax"} == set(METRICS)


def test_a_seed_that_occurs_twice_is_named(make_runs):
    runs = make_runs([0, 1])
    with pytest.raises(
        DataError, match=r"clswgan \(paper\) on FLO, classifier softmax: seed 0 occurs twice in the base"
    ):
        summarise([*runs, runs[0]])


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_run_that_is_missing_is_named(make_runs, lost):
    runs = make_runs([0, 1])
    with pytest.raises(DataError, match=r"clswgan \(paper\) on FLO.* seeds do not pair up"):
        summarise(runs[:lost] + runs[lost + 1 :])


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_one_arm_alone_is_no_comparison(make_runs, arm):
    with pytest.raises(DataError, match="do not pair up"):
        summarise([run for run in make_runs([0]) if run.arm == arm])
