"""What was chosen on what: the protocol, the data and the budget of a comparison, as lines to read."""

from __future__ import annotations

import shlex
from typing import Any

from d3wrap.report.collect import Comparison

HONEST = "honest: steps, settings and γ were fixed or chosen without the test set, which was looked at once per run"
PAPER = "paper: steps were chosen on the test set, as the papers did; the values of both arms are too high"


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return names and values of what all runs of a comparison share, to be read beside its numbers."""
    runs = comparison.runs
    used = any(run.test_used_for_selection for run in runs)
    found = [
        ("protocol", PAPER if any(run.protocol == "paper" for run in runs) else HONEST),
        ("test set used for selection", "YES" if used else "no"),
        ("preset", comparison.first.preset),
        ("formulation of D³", _all(run.formulation for run in runs if run.formulation)),
        ("seeds", ", ".join(map(str, comparison.seeds))),
        ("features", _all(run.features for run in runs)),
        ("semantics", _all(run.semantics for run in runs)),
        ("split", _all(run.split for run in runs)),
        ("training images", f"{100 * comparison.first.train_fraction:g} % of each seen class's"),
        (
            "steps",
            " and ".join(f"{arm} {_all(r.steps for r in runs if r.arm == arm)}" for arm in ("baseline", "enhanced")),
        ),
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


def _times(comparison: Comparison) -> str:
    arms = {
        arm: [run.training_seconds for run in comparison.by_seed(arm, comparison.headline).values()]
        for arm in ("baseline", "enhanced")
    }
    return " and ".join(f"{arm} {sum(found) / len(found):.0f} s a run" for arm, found in arms.items())


def _gammas(comparison: Comparison) -> str:
    if all(run.gamma is None for run in comparison.runs):
        return "none was validated: all numbers are at γ = 0"
    return "chosen on validation rows, for each run by itself; see the rows “at γ”"
