"""The ablation in the terminal."""

import io

import pytest
from rich.console import Console

from d3wrap.ablation.storage import write_ablation
from d3wrap.ablation.table import ablation_tables, too_few
from d3wrap.ablation.variants import variants_of


def render(ablation):
    console = Console(file=io.StringIO(), width=80)
    console.print(ablation_tables(ablation))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_table_holds_means_and_both_changes(make_ablation):
    _, ablation = make_ablation(spread=0.0, classifiers=("softmax",))
    lines = render(ablation)
    assert lines[:2] == ["clswgan on FLO   preset small, seeds 0, 1, 2, 3, 4, 5", "features mbv2.mat, semantics att"]
    assert lines[2].split() == ["softmax", "T1", "AUSUC", "H", "ΔH", "baseline", "Holm", "ΔH", "full", "Holm"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[4:8]}
    assert rows == {
        "baseline": ["70.0", "50.0", "60.0", "–", "–"],
        "full": ["75.0", "55.0", "65.0", "+5.00±0.00", "0.09", "–"],
        "without-o2dbd": ["72.0", "52.0", "62.0", "+2.00±0.00", "0.09", "−3.00±0.00", "0.06"],
        "released": ["65.0", "45.0", "55.0", "−5.00±0.00", "0.09", "−10.0±0.00", "0.06"],
    }
    assert "split: att_splits.mat" in lines
    assert "test set used for selection: no" in lines
    assert "adjusted for 3 tests, p cannot fall below 0.05 with fewer than 7 seeds" in " ".join(lines)


def test_every_classifier_has_its_table(make_ablation):
    text = "\n".join(render(make_ablation()[1]))
    assert text.index("softmax  ") < text.index("student  ")
    assert text.count("without-o2dbd") == 2


def test_the_longest_names_fit_80_columns(make_ablation):
    gains = dict.fromkeys(("baseline", "full", "released+single_softmax_code", "without-single_softmax_code"), 0.0)
    lines = render(make_ablation(gains=gains | {"full": -0.4}, spread=0.15, classifiers=("softmax",))[1])
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("released+single_softmax_code ") for line in lines)


def test_few_seeds_show_no_p(make_ablation):
    text = "\n".join(render(make_ablation(seeds=5)[1]))
    assert "Holm" not in text
    assert "fewer than 6 seeds: no test can be significant" in text
    one = render(make_ablation("one", seeds=1, spread=0.0, classifiers=("softmax",))[1])
    assert "without-o2dbd 72.0  52.0 62.0       +2.00   −3.00" in one


def test_a_variant_with_fewer_seeds_is_named(make_ablation, make_runs, plan, plugins, tmp_path):
    known = {variant.name: variant for variant in variants_of(plan, plugins, 0.1).all}
    reached = [(known[name], make_runs(name, seeds=seeds)) for name, seeds in (("baseline", 7), ("full", 3))]
    text = "\n".join(render(write_ablation(tmp_path, reached, {})))
    assert "fewer seeds than the others: full (3)" in text


def test_the_test_set_is_shouted(make_ablation):
    text = "\n".join(render(make_ablation(protocol="paper", test_used_for_selection=True)[1]))
    assert "test set used for selection: YES" in text


@pytest.mark.parametrize(("seeds", "family", "enough"), [(5, 1, False), (6, 1, True), (6, 2, False), (10, 25, True)])
def test_how_many_seeds_it_takes(seeds, family, enough):
    assert (too_few(seeds, family) == "") is enough
