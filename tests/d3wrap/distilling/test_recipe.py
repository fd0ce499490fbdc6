"""Recipes are read as they are written."""

from __future__ import annotations

import pytest

from d3wrap.distilling.recipe import parse_recipe
from d3wrap.errors import ConfigError

TEXTS = ["names", "described"]


def test_parts_and_text_are_read(plugins):
    recipe = parse_recipe("cls+vl-contrastive + proximity@described", TEXTS, {"vl-mse": 3.0, "cls": 2.0}, plugins)
    assert recipe.objectives == ("vl-cls", "vl-contrastive", "vl-proximity")
    assert recipe.text == "described"
    assert recipe.label == recipe.folder == "cls+contrastive+proximity@described"
    assert dict(recipe.weights) == {"vl-cls": 2.0}
    assert [recipe.weight(f"vl-{name}/x") for name in ("cls", "contrastive")] == [2.0, 1.0]


def test_the_first_text_is_usual_and_repeated_parts_count_once(plugins):
    recipe = parse_recipe("cls+cls", TEXTS, {"vl-cls/nll": 0.5}, plugins)
    assert (recipe.text, recipe.objectives, recipe.weight("vl-cls/nll")) == ("names", ("vl-cls",), 0.5)


@pytest.mark.parametrize(
    ("text", "weights", "message"),
    [
        ("clss", {}, "no objective is called 'clss'; did you mean 'cls'"),
        ("cls@name", {}, "no text is called 'name'; did you mean 'names'"),
        ("cls", {"clss": 1.0}, "--weight: no loss is called 'vl-clss'; did you mean 'vl-cls'"),
        ("cls", {"cls": 0.0}, "every weight is 0"),
        ("cls", {"cls": -1.0}, "--weight vl-cls: expected 0 or more"),
    ],
)
def test_what_nothing_has_is_refused(plugins, text, weights, message):
    with pytest.raises(ConfigError, match=message):
        parse_recipe(text, TEXTS, weights, plugins)
