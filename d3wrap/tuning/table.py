"""What a search came to, as a table for the terminal, and each trial as a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from d3wrap.comparison.run import Arm
from d3wrap.tuning.trial import State, Trial
from d3wrap.tuning.tuned import Tuned

OTHERS: tuple[State, ...] = ("pruned", "failed")


def trial_line(trial: Trial, before: bool) -> str:
    """Return a trial in one line: what it reached, from which seeds, seconds, settings, and why it failed."""
    reached = trial.state if trial.value is None else _percent(trial.value)
    seeds = ", ".join(_percent(value) for value in trial.reached.values())
    what = "the defaults" if trial.number == 0 else settings_text(trial.parameters)
    known = "   (done before)" if before else ""
    fault = "" if trial.fault is None else f"   {trial.fault}"
    return (
        f"{trial.arm:8} trial {trial.number:2}  {reached:>6} ({seeds})  {trial.seconds:4.0f} s   {what}{known}{fault}"
    )


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as people type them, numbers rounded to three digits."""
    return " ".join(f"{key}={_value(value)}" for key, value in settings.items())


def tuned_table(tuned: Tuned, trials: Mapping[Arm, list[Trial]]) -> Group:
    """Return the best of each arm beside the defaults, in percent, its settings, and how to read it."""
    one, validation = tuned.searched, tuned.validation
    seeds = ", ".join(str(seed) for seed in validation["seeds"])
    head = Text.assemble(
        (f"{one['generator']} on {one['dataset']['name']}", "bold"),
        f"   preset {one['preset']}\n{validation['criterion']} of {validation['classifier']} in validation worlds of "
        f"the training images, seeds {seeds}",
    )
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("percent", no_wrap=True)
    for name in ("trials", "default", "seeds apart", "best", "gain", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, found in tuned.arms.items():
        gain = f"{100 * (found.value - found.default):+.2f}".replace("-", "−")
        cells = (_percent(found.default), _spread(trials[arm][0]), _percent(found.value), gain)
        table.add_row(arm, _trials(trials[arm]), *cells, f"{found.seconds:.0f}")
    most = max(found.trials for found in tuned.arms.values())
    notes = [
        Text("seeds apart: how far the highest and the lowest seed of the defaults are from each other", "dim"),
        Text(
            f"best is the highest of {most} noisy trials, so it is optimistic, and so is gain; what the settings are "
            "worth, d3wrap compare --tuned tells",
            "yellow",
        ),
        Text("test set used for selection: no"),
    ]
    return Group(head, table, Text(), _settings(tuned, trials), *notes)


def _settings(tuned: Tuned, trials: Mapping[Arm, list[Trial]]) -> Table:
    """Return the settings that were searched: the defaults, and the best of each arm."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("settings", no_wrap=True)
    for name in ("default", *(f"{arm}, trial {found.trial}" for arm, found in tuned.arms.items())):
        table.add_column(name, justify="right", no_wrap=True)
    for key, value in trials["enhanced"][0].parameters.items():
        best = [_value(found.settings[key]) if key in found.settings else "" for found in tuned.arms.values()]
        table.add_row(key, _value(value), *best)
    return table


def _value(value: object) -> str:
    """Return a setting as people type it, numbers rounded to three digits."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return format(value, ".3g") if isinstance(value, float) else str(value)


def _trials(trials: list[Trial]) -> str:
    """Return how many there were, and how many of them gave no value."""
    states = Counter(trial.state for trial in trials)
    others = ", ".join(f"{states[state]} {state}" for state in OTHERS if states[state])
    return f"{len(trials)} ({others})" if others else str(len(trials))


def _spread(trial: Trial) -> str:
    """Return how far the defaults' seeds lie apart: what is noise."""
    values = list(trial.reached.values())
    return _percent(max(values) - min(values)) if len(values) > 1 else "–"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"
