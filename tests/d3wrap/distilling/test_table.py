"""The table has every recipe, means over seeds, and changes from the first."""

from __future__ import annotations

import pytest
from rich.console import Console

from d3wrap.distilling.measuring import MEASURES
from d3wrap.distilling.run import DistillResult
from d3wrap.distilling.table import by_recipe, recipe_tables, summary


def result(recipe, seed, value, few_shot=0.5):
    values = dict.fromkeys(MEASURES, value)
    teacher = {"in_distribution": 0.9, "zero_shot": 0.8}
    return DistillResult(recipe, seed, values, teacher, few_shot, [values], 1.0)


RESULTS = [result("a@x", 0, 0.1), result("a@x", 1, 0.3), result("b@y", 0, 0.2), result("b@y", 1, 0.6, 0.7)]


def text(results):
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(recipe_tables(results))
    return captured.get()


def test_numbers_are_kept_by_recipe_and_seed():
    assert by_recipe(RESULTS)["b@y"][1]["few_shot"] == 0.7
    first, second = summary(RESULTS)
    assert (first["recipe"], first["seeds"], first["change"]) == ("a@x", [0, 1], {})
    assert second["mean"]["zero_shot"] == pytest.approx(0.4)
    assert second["std"]["zero_shot"] == pytest.approx(0.2828427)
    change = second["change"]["zero_shot"]
    assert (change["n"], change["wins"]) == (2, 2)
    assert change["mean"] == pytest.approx(0.2)
    assert second["teacher"] == {"in_distribution": 0.9, "zero_shot": 0.8}


def test_the_table_says_what_is_what():
    shown = text(RESULTS)
    assert "recipe 2: b@y" in shown
    assert "40.0±28.3" in shown
    assert "+20.0" in shown
    assert "80.0" in shown
    assert "fewer than 6 seeds: no test can be significant" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_one_recipe_and_seed_without_shots_has_no_changes():
    shown = text([result("a@x", 3, 0.25, None)])
    assert "25.0" in shown
    assert "few-shot" not in shown
    assert "±" not in shown
    assert "change" not in shown.splitlines()[4]
    assert "seed 3" in shown


def test_seeds_that_only_one_recipe_has_are_left_out_of_changes():
    found = summary([*RESULTS[:2], RESULTS[3]])
    assert found[1]["change"]["zero_shot"]["n"] == 1
    assert summary([RESULTS[0], RESULTS[3]])[1]["change"] == {}
