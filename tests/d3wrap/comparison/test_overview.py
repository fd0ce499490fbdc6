"""Several comparisons at a glance: a line each, columns where they differ, and what they come to."""

import functools
import io

import pytest
from rich.console import Console

from d3wrap.comparison.aggregate import aggregate, interquartile_mean, probability_of_improvement
from d3wrap.comparison.overview import overview, task_of, together, varying
from d3wrap.comparison.overview_table import overview_tables
from d3wrap.comparison.statistics import holm, paired_difference


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Spare the tests most of a bootstrap."""
    monkeypatch.setattr("d3wrap.comparison.overview.aggregate", functools.partial(aggregate, resamples=50))


@pytest.fixture
def sweep(make_runs):
    """Two datasets, two shares, two generators, as many gains."""
    return [
        run
        for number, (dataset, share, generator) in enumerate(
            (dataset, share, generator)
            for dataset in ("FLO", "digits")
            for share in (0.1, 1.0)
            for generator in ("clswgan", "gsmflow")
        )
        for run in make_runs(
            range(6), gain=0.01 * number - 0.02, dataset=dataset, train_fraction=share, generator=generator,
            features=f"{dataset}.mat",
        )
    ]  # fmt: skip


def render(runs):
    console = Console(file=io.StringIO(), width=80)
    console.print(overview_tables(runs))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_columns_are_those_that_tell_apart(make_runs, sweep):
    assert varying(make_runs([0])) == ["generator"]
    assert varying(sweep) == ["dataset", "train_fraction", "generator"]  # features follow from the dataset
    assert varying(make_runs([0]) + make_runs([0], features="res101.mat")) == ["features", "generator"]
    presets = make_runs([0]) + make_runs([0], preset="small") + make_runs([0], dataset="digits", preset="small")
    assert varying(presets) == ["dataset", "generator", "preset"]


def test_each_line_is_its_comparison_alone(sweep):
    found = overview(sweep)
    assert len(found) == 8
    for one in found:
        own = [run for run in sweep if all(getattr(run, name) == value for name, value in one.varying.items())]
        arms = [
            {run.seed: run.H for run in own if (run.arm, run.classifier) == (arm, "softmax")}
            for arm in ("baseline", "enhanced")
        ]
        assert one.judged.difference == paired_difference(*arms)
        assert (one.classifier, one.judged.metric, one.beside.metric) == ("softmax", "H", "AUSUC")
    # Holm's family are these differences alone: not those of another classifier or metric.
    assert [one.judged.holm_p for one in found] == holm([one.judged.difference.wilcoxon_p for one in found])


def test_where_softmax_was_not_measured_another_classifier_is_judged(make_runs):
    runs = [run for run in make_runs([0, 1]) + make_runs([0], generator="cvae") if run.classifier == "student"]
    assert [one.classifier for one in overview(runs)] == ["student", "student"]
    assert sorted(task_of(runs[:4])) == [0, 1]


def test_what_they_come_to_equals_the_loop(sweep):
    found = together(sweep)
    assert [(one.generator, one.comparisons) for one in found] == [("clswgan", 4), ("gsmflow", 4), ("", 8)]
    tasks = {}
    for run in sweep:
        if run.classifier == "softmax":
            pair = tasks.setdefault((run.dataset, run.train_fraction, run.generator), {}).setdefault(run.seed, {})
            pair[run.arm] = run.H
    for one in found:
        own = [task for key, task in tasks.items() if one.generator in ("", key[2])]
        pairs = [{seed: (pair["baseline"], pair["enhanced"]) for seed, pair in task.items()} for task in own]
        assert one.found.improvement == pytest.approx(probability_of_improvement(pairs))
        for arm, value in (("baseline", one.found.baseline_iqm), ("enhanced", one.found.enhanced_iqm)):
            assert value == pytest.approx(interquartile_mean([pair[arm] for task in own for pair in task.values()]))


def test_over_one_dataset_and_share_nothing_is_summed_up(make_runs):
    assert together(make_runs([0]) + make_runs([0], generator="cvae")) == []
    one = together(make_runs([0]) + make_runs([0], dataset="digits"))
    assert [(each.generator, each.comparisons) for each in one] == [("clswgan", 2)]
    other = together(make_runs([0]) + make_runs([0], dataset="digits") + make_runs([0], generator="cvae"))
    assert [(each.generator, each.comparisons) for each in other] == [("clswgan", 2), ("", 3)]


def test_the_tables_of_a_sweep(sweep):
    lines = render(sweep)
    assert max(map(len, lines)) <= 80
    assert lines[0] == "8 comparisons   H of softmax"
    assert lines[1].split() == [
        "dataset",
        "images",
        "generator",
        "baseline",
        "enhanced",
        "change",
        "wins",
        "ΔAUSUC",
        "Holm",
    ]
    cells = [line.split() for line in lines[3:11]]
    assert [(row[0], row[1], row[2]) for row in cells] == [
        (dataset, share, generator)
        for dataset in ("FLO", "digits")
        for share in ("10%", "100%")
        for generator in ("clswgan", "gsmflow")
    ]
    assert cells[0][6] == "0/6"
    assert cells[-1][6] == "6/6"
    assert "Holm: exact Wilcoxon p, adjusted for these 8 comparisons" in lines
    assert "adjusted for 8 tests, p cannot fall below 0.05 with fewer than 9 seeds" in lines
    (everything,) = [line.split() for line in lines if line.startswith("all ")]
    assert everything[1] == "8"
    assert not any("no test can be significant" in line for line in lines)


def test_with_enough_seeds_a_family_can_be_significant(make_runs):
    lines = "\n".join(render(make_runs(range(7)) + make_runs(range(7), dataset="digits")))
    assert "adjusted for these 2 comparisons" in lines
    assert "cannot fall" not in lines


def test_with_few_seeds_no_p_is_shown(make_runs):
    few = make_runs(range(5))
    lines = render(few + make_runs(range(5), dataset="digits"))
    assert "fewer than 6 seeds: no test can be significant" in lines
    assert "Holm" not in "\n".join(lines)
    mixed = render(few + make_runs(range(6), dataset="digits"))
    assert "fewer than 6 seeds: no test can be significant" in mixed
    assert [line.split()[-1] for line in mixed[3:5]] == ["–", "0.062"]  # 2 · 2/2⁶: the family is of both


def test_of_one_comparison_there_is_no_overview(make_runs):
    assert render(make_runs([0])) == []
