import io

import pytest
from rich.console import Console

from d3wrap.comparison.table import comparison_tables
from d3wrap.errors import DataError

CALIBRATED = {"gamma": 1.0, "U_gamma": 0.625, "S_gamma": 0.7, "H_gamma": 0.66}


def render(runs, width=80, color=False):
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(comparison_tables(runs))
    return console.file.getvalue()


def test_the_table_of_one_seed_is_this(make_run):
    runs = [
        make_run(),
        make_run(classifier="student"),
        make_run("enhanced", H=0.6552, U=0.5622, T1=0.9),
        make_run("enhanced", "student", AUROC=1.0),
    ]
    lines = [line.rstrip() for line in render(runs).splitlines()]
    assert lines == [
        "clswgan on FLO   preset paper, seeds 0",
        "features mbv2.mat, semantics att",
        "percent       T1     U     S     H AUSUC AUROC",
        "──────────────────────────────────────────────",
        "softmax",
        "  baseline  71.0  57.0  74.0  64.0  52.0  87.0",
        "  enhanced  90.0  56.2  74.0  65.5  52.0  87.0",
        "  change   +19.0 −0.78 +0.00 +1.52 +0.00 +0.00",
        "",
        "student",
        "  baseline  71.0  57.0  74.0  64.0  52.0  87.0",
        "  enhanced  71.0  57.0  74.0  64.0  52.0 100.0",
        "  change   +0.00 +0.00 +0.00 +0.00 +0.00 +13.0",
        "formulation: corrected   split: att_splits.mat",
        "test set used for selection: no",
        "fewer than 6 seeds: no test can be significant",
    ]


def test_part_of_the_training_images_is_said(make_run):
    lines = render([make_run(train_fraction=0.125), make_run("enhanced", train_fraction=0.125)]).splitlines()
    assert lines[1:3] == ["features mbv2.mat, semantics att", "12.5% of each class's training images"]


@pytest.mark.parametrize("spread", [0.001, 0.05, 0.1])
@pytest.mark.parametrize("seeds", [2, 5, 7])
def test_it_fits_80_columns_and_cuts_nothing(make_runs, seeds, spread):
    text = render(make_runs(range(seeds), spread=spread, **CALIBRATED))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "\x1b" not in text


def test_seeds_decide_what_can_be_said(make_runs):
    few, many = render(make_runs(range(5))), render(make_runs(range(6)))
    assert "fewer than 6 seeds" in few
    assert "fewer than 6 seeds" not in many
    assert "p       " not in few
    assert "  p             0.031" in many
    assert "  wins            6/6" in many


def test_calibrated_numbers_stand_below_their_columns(make_runs):
    lines = render(make_runs([0], **CALIBRATED)).splitlines()
    header = next(line for line in lines if line.startswith("percent"))
    baseline = lines[lines.index(next(line for line in lines if line.startswith("softmax, γ"))) + 1]
    assert baseline.split() == ["baseline", "62.5", "70.0", "66.0"]
    assert baseline.index("62.5") + 4 == header.index(" U") + 2


def test_selection_on_the_test_set_is_shouted(make_runs):
    text = render(make_runs([0], protocol="paper", test_used_for_selection=True))
    assert "test set used for selection: YES" in text


def test_colour_marks_intervals_that_leave_out_zero(make_runs):
    better, worse = render(make_runs(range(5)), color=True), render(make_runs(range(5), gain=-0.02), color=True)
    assert "\x1b[32m+" in better
    assert "\x1b[31m−" in worse
    assert "\x1b[32m" not in worse
    unsure = render(make_runs(range(5), gain=0.0, spread=0.0), color=True)
    assert "\x1b[32m" not in unsure
    assert "\x1b[31m" not in unsure


def test_each_generator_has_its_table(make_runs):
    text = render(make_runs([0]) + make_runs([0, 1], generator="cvae", preset="small"))
    assert "clswgan on FLO   preset paper, seeds 0\n" in text
    assert "cvae on FLO   preset small, seeds 0, 1\n" in text


def test_runs_that_do_not_pair_up_are_refused(make_runs):
    with pytest.raises(DataError, match="do not pair up"):
        comparison_tables(make_runs([0])[1:])
