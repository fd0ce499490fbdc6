"""What was chosen on what: the protocol, the data and the budget of a comparison, as lines to read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from d3wrap.comparison.results import RunResult
from d3wrap.report.collect import ARMS, Comparison

PROTOCOLS = {
    "honest": "honest: steps, samples per class and γ of each run were chosen in a validation world cut out of its "
    "training images; test images were looked at after that",
    "fixed": "fixed: steps and settings are those of the preset and the command, and nothing was chosen by what a run "
    "reached",
    "paper": "paper: the step of each run was chosen on the test set, as the papers did; the values of both arms are "
    "too high",
}


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return names and values of what all runs of a comparison share, to be read beside its numbers."""
    runs = comparison.runs
    used = any(run.test_used_for_selection for run in runs)
    found = [
        ("protocol", "; ".join(PROTOCOLS[name] for name in dict.fromkeys(run.protocol for run in runs))),
        ("test set used for selection", "YES" if used else "no"),
        ("preset", comparison.first.preset),
        ("formulation of D³", _all(run.formulation for run in runs if run.formulation)),
        ("seeds", ", ".join(map(str, comparison.seeds))),
        ("features", _all(run.features for run in runs)),
        ("semantics", _all(run.semantics for run in runs)),
        ("split", _all(run.split for run in runs)),
        ("training images", f"{100 * comparison.first.train_fraction:g} % of each seen class's"),
        ("steps", _by_arm(runs, "steps")),
        ("samples per unseen class", _by_arm(runs, "synthetic_per_class")),
        ("batch size", _all(run.batch_size for run in runs)),
        ("training time", _times(comparison)),
        ("arithmetic", _all(f"{run.dtype} on {run.device}, {run.precision}" for run in runs)),
        ("γ", _gammas(comparison)),
        ("versions", _all(", ".join(f"{name} {number}" for name, number in run.versions.items()) for run in runs)),
        ("results", f"{comparison.source}, written {comparison.results.created}"),
        ("command", shlex.join(comparison.results.command)),
    ]
    return [(name, value) for name, value in found if value]


def _all(values: Any) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))


def _by_arm(runs: Sequence[RunResult], name: str) -> str:
    """Return the values of a field, smallest first, for each arm where they differ."""
    arms = {arm: sorted({getattr(run, name) for run in runs if run.arm == arm} - {None}) for arm in ARMS}
    if arms["baseline"] == arms["enhanced"]:
        return _all(arms["baseline"])
    return "; ".join(f"{arm} {_all(values)}" for arm, values in arms.items())


def _times(comparison: Comparison) -> str:
    arms = {
        arm: [run.training_seconds for run in comparison.by_seed(arm, comparison.headline).values()] for arm in ARMS
    }
    return " and ".join(f"{arm} {sum(found) / len(found):.0f} s a run" for arm, found in arms.items())


def _gammas(comparison: Comparison) -> str:
    if all(run.gamma is None for run in comparison.runs):
        return "none was validated: all numbers are at γ = 0"
    return "chosen in the validation world, for each run by itself; see the rows “at γ”"
