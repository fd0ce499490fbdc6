"""Means and changes of variants, against loops that are slow and plain."""

import statistics

import pytest

from d3wrap.ablation.summary import sum_up
from d3wrap.comparison.results import METRICS
from d3wrap.comparison.statistics import holm, paired_difference

GAINS = {"baseline": 0.0, "full": 0.05, "without-id2sd": 0.03, "only-o2dbd": -0.02}


@pytest.fixture
def runs(make_runs):
    return {name: make_runs(name, gain=gain) for name, gain in GAINS.items()}


def values(runs, classifier, metric):
    return {run.seed: getattr(run, metric) for run in runs if run.classifier == classifier}


def test_every_number_equals_its_loop(runs):
    rows = sum_up(runs)
    assert [(row.classifier, row.metric, row.variant) for row in rows] == [
        (classifier, metric, name) for classifier in ("softmax", "student") for metric in METRICS for name in GAINS
    ]
    for row in rows:
        own = values(runs[row.variant], row.classifier, row.metric)
        assert row.mean == pytest.approx(sum(own.values()) / 6)
        assert row.std == pytest.approx(statistics.stdev(own.values()))
        assert row.seeds == 6
        for reference, found in (("baseline", row.against_baseline), ("full", row.against_full)):
            if row.variant in ("baseline", reference):
                assert found is None
            else:
                assert found == paired_difference(values(runs[reference], row.classifier, row.metric), own)


def test_holm_is_over_the_variants_of_one_classifier_and_metric(runs):
    rows = [row for row in sum_up(runs) if (row.classifier, row.metric) == ("student", "H")]
    tested = [row for row in rows if row.against_baseline is not None]
    assert len(tested) == 3
    assert [row.baseline_holm_p for row in tested] == holm([row.against_baseline.wilcoxon_p for row in tested])
    tested = [row for row in rows if row.against_full is not None]
    assert [row.variant for row in tested] == ["without-id2sd", "only-o2dbd"]
    assert [row.full_holm_p for row in tested] == holm([row.against_full.wilcoxon_p for row in tested])
    assert [row.full_holm_p for row in rows if row.variant in ("baseline", "full")] == [None, None]


def test_a_variant_is_paired_by_the_seeds_it_has(runs):
    runs["without-id2sd"] = [run for run in runs["without-id2sd"] if run.seed in (1, 4)]
    runs["full"] = [run for run in runs["full"] if run.seed != 4]
    runs["only-o2dbd"] = []
    rows = {row.variant: row for row in sum_up(runs) if (row.classifier, row.metric) == ("softmax", "H")}
    assert list(rows) == ["baseline", "full", "without-id2sd"]
    row = rows["without-id2sd"]
    assert (row.seeds, row.against_baseline.n, row.against_full.n) == (2, 2, 1)
    one = {name: values(own, "softmax", "H")[1] for name, own in runs.items() if own}
    assert row.against_full.mean == pytest.approx(one["without-id2sd"] - one["full"])
    runs["full"] = []
    (row,) = [
        row for row in sum_up(runs) if (row.variant, row.metric, row.classifier) == ("without-id2sd", "H", "softmax")
    ]
    assert (row.against_full, row.full_holm_p) == (None, None)


def test_calibrated_metrics_are_summed_up_where_all_have_them(make_runs):
    calibrated = {"gamma": 1.0, "U_gamma": 0.6, "S_gamma": 0.6, "H_gamma": 0.6}
    both = {"baseline": make_runs("baseline", **calibrated), "full": make_runs("full", **calibrated)}
    assert "H_gamma" in {row.metric for row in sum_up(both)}
    assert "H_gamma" not in {row.metric for row in sum_up({**both, "released": make_runs("released")})}
