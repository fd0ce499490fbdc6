"""Suggestions follow from trials, seed and number alone, and a journal survives whatever kills its writer."""

from __future__ import annotations

import builtins
import math
import sys
from pathlib import Path

import pytest

from d3wrap.errors import DataError, MissingExtraError
from d3wrap.seeds import derive
from d3wrap.tuning.study import Study, load_optuna
from d3wrap.tuning.trial import Trial
from d3wrap.tuning.values import OneOf, Range

optuna = pytest.importorskip("optuna")

SPACE = {"set.lr": Range(1e-4, 1e-2, log=True), "set.steps": Range(1, 9), "set.noise_dim": OneOf((None, 4, 8))}
DEFAULTS = {"set.lr": 1e-3, "set.steps": 4, "set.noise_dim": None}


def value(parameters):
    return 0.9 - 0.1 * math.log(parameters["set.lr"] / 3e-3) ** 2 - 0.01 * abs(parameters["set.steps"] - 6)


def trial(number, parameters, **changes):
    reached = {0: value(parameters), 1: value(parameters) + 0.01}
    return Trial(**{"arm": "baseline", "number": number, "parameters": parameters, "state": "finished",
                    "reached": reached, "seconds": 1.5} | changes)  # fmt: skip


def study_in(folder, arm="baseline", seed=0, space=SPACE):
    return Study(folder / "journal.jsonl", arm, space, seed)


def go_on(study, until):
    for number in range(len(study.trials), until):
        parameters = study.suggest(number) if number else DEFAULTS
        study.add(trial(number, parameters, arm=study.arm))
    return [one.parameters for one in study.trials]


def test_suggestions_lie_in_the_space_and_are_those_of_the_seed(tmp_path):
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
    one = go_on(study_in(tmp_path / "one"), 14)
    assert one == go_on(study_in(tmp_path / "two"), 14)
    assert one != go_on(study_in(tmp_path / "other", seed=1), 14)
    assert len({tuple(parameters.items()) for parameters in one}) == 14
    for parameters in one:
        assert list(parameters) == list(SPACE)
        assert all(SPACE[key].holds(found) for key, found in parameters.items())
        assert isinstance(parameters["set.steps"], int)


def test_they_are_those_of_a_sampler_of_optuna_told_the_same(tmp_path):
    """The oracle: Optuna itself, in memory, with a fresh sampler for each number."""
    study = study_in(tmp_path)
    go_on(study, 13)
    distributions = {
        "set.lr": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
        "set.steps": optuna.distributions.IntDistribution(1, 9),
        "set.noise_dim": optuna.distributions.CategoricalDistribution([None, 4, 8]),
    }
    own = optuna.create_study(direction="maximize")
    for one in study.trials[:12]:
        own.add_trial(optuna.create_trial(value=one.value, params=one.parameters, distributions=distributions))
    drawn = set()
    for seed in (0, 1):
        again = Study(tmp_path / f"{seed}.jsonl", "baseline", SPACE, seed)
        again.trials = study.trials[:12]
        drawn.add(tuple(again.suggest(12).items()))
    assert len(drawn) == 2
    own.sampler = optuna.samplers.TPESampler(seed=derive(0, "trial 12") % 2**32)
    assert own.ask(distributions).params == study.trials[12].parameters


def test_the_search_gets_better(tmp_path):
    go_on(study_in(tmp_path), 40)
    values = [one.value for one in study_in(tmp_path).trials]
    assert sum(values[30:]) / 10 > sum(values[1:11]) / 10 + 0.05
    assert max(values) > values[0]


def test_both_arms_draw_the_same_for_the_generator_at_first(tmp_path):
    more = {**SPACE, "d3.alpha": Range(1.0, 10.0)}
    baseline, enhanced = study_in(tmp_path), study_in(tmp_path, "enhanced", space=more)
    for number in range(1, 10):
        found = enhanced.suggest(number)
        assert {key: found[key] for key in SPACE} == baseline.suggest(number)


def test_a_journal_read_again_has_the_same_trials_of_each_arm(tmp_path):
    baseline, enhanced = study_in(tmp_path), study_in(tmp_path, "enhanced")
    go_on(baseline, 3)
    go_on(enhanced, 1)
    failed = trial(1, enhanced.suggest(1), arm="enhanced", state="failed", reached={}, fault="TrainingError: nan")
    pruned = trial(2, enhanced.suggest(2), arm="enhanced", state="pruned", reached={0: 0.1})
    for one in (failed, pruned):
        enhanced.add(one)
    assert study_in(tmp_path).trials == baseline.trials
    assert study_in(tmp_path, "enhanced").trials == enhanced.trials
    assert [one.value is None for one in enhanced.trials] == [False, True, True]
    states = [one.state.name for one in optuna.load_study(study_name="enhanced", storage=stored(tmp_path)).trials]
    assert states == ["COMPLETE", "FAIL", "PRUNED"]


def stored(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.jsonl"))
    return optuna.storages.JournalStorage(backend)


def test_the_best_is_read_by_optunas_own_tools(tmp_path):
    study = study_in(tmp_path)
    go_on(study, 5)
    found = optuna.load_study(study_name="baseline", storage=stored(tmp_path))
    assert found.best_value == max(one.value for one in study.trials)
    assert found.best_params == max(study.trials, key=lambda one: one.value).parameters


def test_a_line_that_was_being_written_is_cut_off(tmp_path):
    expected = go_on(study_in(tmp_path), 6)
    whole = (tmp_path / "journal.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    start = len(whole) - len(lines[-1])
    for cut in (start, start + 1, start + 40, len(whole) - 1):
        (tmp_path / "journal.jsonl").write_bytes(whole[:cut])
        study = study_in(tmp_path)
        assert len(study.trials) == 5
        assert go_on(study, 6) == expected


def test_a_lock_of_a_killed_process_is_removed(tmp_path):
    go_on(study_in(tmp_path), 2)
    (tmp_path / "journal.jsonl.lock").touch()
    (tmp_path / "journal.jsonl.lock0123.rename").touch()
    assert len(go_on(study_in(tmp_path), 3)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl"]


def test_the_folder_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    assert len(go_on(study_in(Path("run")), 2)) == 2


def test_defaults_outside_of_the_space_are_kept_and_mislead_nobody(tmp_path):
    study = study_in(tmp_path)
    outside = {**DEFAULTS, "set.lr": 0.5}
    study.add(trial(0, outside))
    found = [study.suggest(number) for number in range(1, 4)]
    other = Study(tmp_path / "other.jsonl", "baseline", SPACE, 0)
    other.add(trial(0, DEFAULTS))
    assert found == [other.suggest(number) for number in range(1, 4)]
    assert study_in(tmp_path).trials[0].parameters == outside


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: ["nonsense", *lines],
        lambda lines: [line.replace('"trial":{', '"other":{') for line in lines],
        lambda lines: [line.replace('"number":1', '"number":3') for line in lines],
        lambda lines: [line.replace('"arm":"baseline"', '"arm":"neither"') for line in lines],
        lambda lines: [*lines, "[]"],
    ],
)
def test_a_journal_that_was_changed_is_named(tmp_path, damage):
    go_on(study_in(tmp_path), 3)
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataError, match=r"journal\.jsonl: not a journal as d3wrap tune writes it .*remove it"):
        study_in(tmp_path)


def test_what_is_below_the_median_so_far_is_pruned(tmp_path):
    study = study_in(tmp_path)
    for number, first in enumerate([0.5, 0.6, 0.7, 0.8, 0.9]):
        parameters = DEFAULTS if number == 0 else study.suggest(number)
        study.add(trial(number, parameters, reached={0: first, 1: first}))
    assert study.prunes(5, [0.69])
    assert not study.prunes(5, [0.71])
    assert study.prunes(5, [0.71, 0.65])  # its mean is 0.68
    assert not study.prunes(4, [0.1])  # too few trials before it


def test_it_logs_nothing_and_leaves_optunas_logging_as_it_was(tmp_path, capsys):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        go_on(study_in(tmp_path), 3)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capsys.readouterr() == ("", "")


def test_without_optuna_the_line_to_type_is_given(monkeypatch):
    imports = builtins.__import__

    def without(name, *arguments):
        if name.partition(".")[0] == "optuna":
            raise ImportError(name)
        return imports(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    with pytest.raises(MissingExtraError, match=r"d3wrap tune needs optuna, .*pip install 'd3wrap\[tune\]'"):
        load_optuna()
