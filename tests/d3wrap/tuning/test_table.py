"""What a search prints."""

from __future__ import annotations

import dataclasses
import io
import time

import pytest
from rich.console import Console

from d3wrap.comparison.job import Job
from d3wrap.tuning.table import settings_text, trial_line, tuned_table
from d3wrap.tuning.trial import Trial
from d3wrap.tuning.tuned import Tuned, TunedArm
from d3wrap.tuning.view import viewing_round

BEST = {"set.lr": 0.00123456, "d3.relation": "gram"}
SEARCHED = {"generator": "clswgan", "preset": "small", "dataset": {"name": "digits"}}
VALIDATION = {"criterion": "AUSUC", "classifier": "softmax", "seeds": [0, 1]}


def shown(value, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width).print(value)
    return stream.getvalue()


def trials_of(arm, *states, parameters=BEST):
    reached = {"finished": {0: 0.5, 1: 0.53}, "pruned": {0: 0.2}, "failed": {}}
    return [Trial(arm, n, parameters, state, reached[state], 3.0) for n, state in enumerate(states)]


@pytest.fixture
def table():
    tuned = Tuned(
        SEARCHED,
        VALIDATION,
        {
            "baseline": TunedArm({"set.lr": 0.0004}, 0, 0.515, 0.515, 2, 6.0),
            "enhanced": TunedArm(BEST, 2, 0.6, 0.55, 4, 60.4),
        },
    )
    defaults = {"set.lr": 0.0004, "d3.relation": "groups"}
    trials = {
        "baseline": trials_of("baseline", "finished", "finished"),
        "enhanced": trials_of("enhanced", "finished", "pruned", "finished", "failed", parameters=defaults),
    }
    return shown(tuned_table(tuned, trials))


def test_the_best_stands_beside_what_it_replaces(table):
    lines = [line.split() for line in table.splitlines()]
    assert ["baseline", "2", "51.5", "3.0", "51.5", "+0.00", "6"] in lines
    assert ["enhanced", "4", "(1", "pruned,", "1", "failed)", "55.0", "3.0", "60.0", "+5.00", "60"] in lines
    assert ["settings", "default", "baseline,", "trial", "0", "enhanced,", "trial", "2"] in lines
    assert ["set.lr", "0.0004", "0.0004", "0.00123"] in lines
    assert ["d3.relation", "groups", "gram"] in lines


def test_it_says_how_to_read_it_in_eighty_columns(table):
    text = " ".join(table.split())
    assert "best is the highest of 4 noisy trials, so it is optimistic" in text
    assert "test set used for selection: no" in text
    assert "AUSUC of softmax in validation worlds of the training images, seeds 0, 1" in text
    assert max(map(len, table.splitlines())) <= 80


def test_one_seed_has_no_spread():
    tuned = Tuned(SEARCHED, VALIDATION | {"seeds": [0]}, {"baseline": TunedArm({}, 0, 0.5, 0.5, 1, 1.0)})
    one = Trial("baseline", 0, {}, "finished", {0: 0.5}, 1.0)
    assert ["baseline", "1", "50.0", "–", "50.0", "+0.00", "1"] in [
        line.split() for line in shown(tuned_table(tuned, {"baseline": [one], "enhanced": [one]})).splitlines()
    ]


def test_a_trial_is_a_line():
    finished, pruned, failed = trials_of("enhanced", "finished", "pruned", "failed")
    assert trial_line(finished, False) == "enhanced trial  0    51.5 (50.0, 53.0)     3 s   the defaults"
    line = trial_line(pruned, True)
    assert line == "enhanced trial  1  pruned (20.0)     3 s   set.lr=0.00123 d3.relation=gram   (done before)"
    line = trial_line(dataclasses.replace(failed, fault="TrainingError: nan"), False)
    assert line.startswith("enhanced trial  2  failed ()")
    assert line.endswith("   TrainingError: nan")


def test_settings_are_shown_as_they_are_typed():
    settings = {"a": None, "b": True, "c": False, "d": 16, "e": 1e-05}
    assert settings_text(settings) == "a=null b=true c=false d=16 e=1e-05"


def test_bars_are_for_a_terminal_and_say_how_far_it_is(plan, tmp_path):
    fold = tmp_path / "3" / "seed-1" / "choice" / "fold-1"
    fold.mkdir(parents=True)
    (fold / "metrics.jsonl").write_text('{"step": 7, "total": 20, "losses": {}, "seconds": 1}\n')
    jobs = [Job(plan, "enhanced", 1, tmp_path / "3" / "seed-1")]
    for terminal in (True, False):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=terminal, width=80)
        with viewing_round(jobs, console=console, refresh=0.01):
            time.sleep(0.3)
        assert ("enhanced, trial 3, seed 1" in stream.getvalue()) is terminal
        assert ("7/20" in stream.getvalue()) is terminal
    with viewing_round([], console=Console(file=io.StringIO(), force_terminal=True)):
        pass
