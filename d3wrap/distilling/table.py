"""Recipes side by side: means over seeds, and paired differences from the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.comparison.cells import change, spread
from d3wrap.comparison.statistics import FEWEST_FOR_SIGNIFICANCE, PairedDifference, paired_difference, sample_std
from d3wrap.distilling.run import DistillResult

COLUMNS: Mapping[str, str] = {
    "in_distribution": "in-dist.",
    "zero_shot": "zero-shot",
    "few_shot": "few-shot",
    "M_rel_seen": "M_rel s",
    "M_rel_unseen": "M_rel u",
    "M_neigh_seen": "M_neigh s",
    "M_neigh_unseen": "M_neigh u",
    "M_vlalign_seen": "M_vlal s",
    "M_vlalign_unseen": "M_vlal u",
}
"""What the table shows, and the head of its column; s and u are test images of seen and of unseen classes."""
ACCURACIES = ("in_distribution", "zero_shot", "few_shot")


def by_recipe(results: Sequence[DistillResult]) -> dict[str, dict[int, dict[str, float]]]:
    """Return all numbers by recipe, in the order of ``results``, and seed."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for one in results:
        values = dict(one.values) | ({} if one.few_shot is None else {"few_shot": one.few_shot})
        found.setdefault(one.recipe, {})[one.seed] = values
    return found


def summary(results: Sequence[DistillResult]) -> list[dict[str, Any]]:
    """Return for each recipe what ``results.json`` keeps: values by seed, means, deviations, the teacher's accuracies.

    ``change`` is the paired difference of each number from the first recipe's, over the seeds that both have.
    """
    recipes = by_recipe(results)
    first = next(iter(recipes.values()), {})
    return [
        {
            "recipe": recipe,
            "seeds": sorted(values),
            "values": {str(seed): values[seed] for seed in sorted(values)},
            "mean": {name: fmean(one[name] for one in values.values()) for name in _names(values)},
            "std": {name: sample_std([one[name] for one in values.values()]) for name in _names(values)},
            "change": {name: vars(found) for name, found in differences(first, values).items()},
            "teacher": dict(next(one.teacher for one in results if one.recipe == recipe)),
        }
        for recipe, values in recipes.items()
    ]


def differences(
    first: Mapping[int, Mapping[str, float]], other: Mapping[int, Mapping[str, float]]
) -> dict[str, PairedDifference]:
    """Compare two recipes by seed, for each number both have; empty where they share no seed or are one recipe."""
    shared = sorted(set(first) & set(other))
    if first is other or not shared:
        return {}
    return {
        name: paired_difference({s: first[s][name] for s in shared}, {s: other[s][name] for s in shared})
        for name in _names(other)
        if name in _names(first)
    }


def recipe_tables(results: Sequence[DistillResult]) -> Group:
    """Return the tables for the terminal, 80 columns wide at most, all numbers in percent."""
    recipes = by_recipe(results)
    teachers = {one.recipe: one.teacher for one in results}
    shown = [name for name in COLUMNS if any(name in _names(values) for values in recipes.values())]
    metrics = [name for name in shown if name not in ACCURACIES]
    heads = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for head in ("recipe", *(COLUMNS[name] for name in shown if name in ACCURACIES), "teacher's zero-shot"):
        heads.add_column(head, justify="right", no_wrap=True)
    spaces = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for head in ("recipe", *(COLUMNS[name] for name in metrics)):
        spaces.add_column(head, justify="right", no_wrap=True)
    first = next(iter(recipes.values()))
    for number, (recipe, values) in enumerate(recipes.items(), 1):
        own = differences(first, values)
        accuracies = [name for name in shown if name in ACCURACIES]
        heads.add_row(
            str(number), *(_cell(values, name) for name in accuracies), f"{100 * teachers[recipe]['zero_shot']:.1f}"
        )
        spaces.add_row(str(number), *(_cell(values, name) for name in metrics))
        if own:
            heads.add_row("change", *(change(own[name]) if name in own else "" for name in accuracies), "")
    seeds = sorted({one.seed for one in results})
    of = "seed" if len(seeds) == 1 else "seeds"
    notes = [
        f"percent; {of} {', '.join(map(str, seeds))}; mean of the last epochs; nothing was chosen by these numbers"
    ]
    if len(seeds) > 1:
        notes.append("± after a value: standard deviation over seeds; after a change from recipe 1: 95 % interval")
        if len(seeds) < FEWEST_FOR_SIGNIFICANCE:
            notes.append(f"fewer than {FEWEST_FOR_SIGNIFICANCE} seeds: no test can be significant")
    notes.append("s, u: on test images of seen, unseen classes; of M_vlalign less is better, of the others more")
    listed = [Text(f"recipe {number}: {recipe}") for number, recipe in enumerate(recipes, 1)]
    return Group(*listed, Text(), heads, Text(), spaces, *(Text(note, "dim") for note in notes))


def _names(values: Mapping[int, Mapping[str, float]]) -> list[str]:
    return [name for name in COLUMNS if all(name in one for one in values.values())]


def _cell(values: Mapping[int, Mapping[str, float]], name: str) -> str:
    if name not in _names(values):
        return ""
    numbers = [one[name] for one in values.values()]
    return spread(fmean(numbers), sample_std(numbers))
