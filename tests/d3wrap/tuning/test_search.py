"""The search as a whole, in a world where nothing is trained: pairs, budgets, kills, failures, pruning."""

from __future__ import annotations

import json
import random
from contextlib import nullcontext

import pytest

from d3wrap.errors import ConfigError, DataError, TrainingError
from d3wrap.executors.executor import Ended
from d3wrap.tuning.search import Budget, search
from d3wrap.tuning.trial import Trial, best_of
from d3wrap.tuning.values import OneOf, Range

pytest.importorskip("optuna")


def test_both_arms_try_as_many_and_begin_with_the_defaults(tuning_of, tmp_path, fake, value_of):
    told, defaults = [], tuning_of().defaults
    found = search(tuning_of(trials=5), tmp_path, fake(), on_trial=lambda *one: told.append(one))
    assert {arm: len(trials) for arm, trials in found.items()} == {"baseline": 5, "enhanced": 5}
    assert [(one.arm, one.number) for one, _ in told] == [(arm, n) for n in range(5) for arm in found]
    assert not any(before for _, before in told)
    for arm, trials in found.items():
        keys = [key for key in defaults if arm == "enhanced" or key.startswith("set.")]
        assert trials[0].parameters == {key: defaults[key] for key in keys}
        for trial in trials:
            assert list(trial.parameters) == keys
            assert trial.value == pytest.approx(value_of(trial.parameters, arm), rel=1e-12)
            assert list(trial.reached) == [0, 1]
            assert trial.seconds == 2.0
    lines = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [Trial.from_dict(line) for line in lines] == [one for one, _ in told]


def test_the_defaults_are_trained_as_they_are(tuning_of, tmp_path, fake):
    """Without a setting touched, even to what it is: nothing of the search can move what it is compared with."""
    tuning, plans = tuning_of(trials=1), []
    search(tuning, tmp_path, fake(fails=lambda job: plans.append(job.plan)))
    assert plans == [tuning.plan] * 4


def without_seconds(folder):
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def test_a_search_that_is_killed_wherever_it_is_ends_as_one_that_is_not(tuning_of, tmp_path, fake):
    whole = fake()
    search(tuning_of(trials=6, seed=3), tmp_path / "whole", whole)
    expected = without_seconds(tmp_path / "whole")
    draw = random.Random(0)
    for attempt in range(6):
        folder, done = tmp_path / str(attempt), []
        while True:
            executor = fake(stop=draw.randint(0, 9))
            try:
                search(tuning_of(trials=6, seed=3), folder, executor)
                break
            except KeyboardInterrupt:
                continue
            finally:
                done += executor.done
        assert sorted(done) == sorted(whole.done)  # nothing twice, nothing left out
        assert without_seconds(folder) == expected


def test_what_was_tried_when_it_was_stopped_is_tried_again(tuning_of, tmp_path, fake):
    with pytest.raises(KeyboardInterrupt):
        search(tuning_of(), tmp_path, fake(stop=5))
    path = tmp_path / "trials" / "baseline" / "1" / "parameters.json"
    stored = json.loads(path.read_text()) | {"set.lr": 0.0042}
    path.write_text(json.dumps(stored))
    assert search(tuning_of(), tmp_path, fake())["baseline"][1].parameters == stored
    path.write_text('{"set.lr": 1}')
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(DataError, match=r"parameters\.json: expected values of set\.lr, set\.critic_steps, found"):
        search(tuning_of(), tmp_path, fake())
    path.write_text("{")
    with pytest.raises(DataError, match=r"parameters\.json: cannot be read as JSON"):
        search(tuning_of(), tmp_path, fake())


def test_without_its_journal_nothing_is_trained_again(tuning_of, tmp_path, fake):
    first = search(tuning_of(), tmp_path, fake())
    (tmp_path / "journal.jsonl").unlink()
    executor = fake()
    assert search(tuning_of(), tmp_path, executor) == first
    assert executor.done == []


def test_half_written_files_of_a_killed_search_are_removed(tuning_of, tmp_path, fake):
    search(tuning_of(trials=1), tmp_path, fake())
    left = [tmp_path / ".trials.jsonl.x.tmp", tmp_path / "trials" / "baseline" / "0" / ".parameters.json.y.tmp"]
    for path in left:
        path.touch()
    search(tuning_of(trials=1), tmp_path, fake())
    assert not any(path.exists() for path in left)


def test_more_trials_go_on_and_fewer_are_refused(tuning_of, tmp_path, fake):
    first = search(tuning_of(trials=2), tmp_path, fake())
    executor, told = fake(), []
    more = search(tuning_of(trials=4), tmp_path, executor, on_trial=lambda *one: told.append(one))
    assert {arm: trials[:2] for arm, trials in more.items()} == first
    assert {number for _, number, _ in executor.done} == {"2", "3"}
    assert [before for _, before in told] == [True] * 4 + [False] * 4
    assert without_seconds(tmp_path) == [
        {key: value for key, value in one.as_dict().items() if key != "seconds"} for one, _ in told
    ]
    with pytest.raises(ConfigError, match=r"--trials: .* holds 4 trials of an arm, more than 3; give 4 or more"):
        search(tuning_of(trials=3), tmp_path, fake())


def test_after_the_timeout_no_pair_is_begun(tuning_of, tmp_path, fake):
    """A pair costs four seconds: the third begins after eight of nine seconds, and is finished."""
    found = search(tuning_of(trials=9, timeout=9.0), tmp_path, fake())
    assert {arm: len(trials) for arm, trials in found.items()} == {"baseline": 3, "enhanced": 3}
    again = fake()
    assert search(tuning_of(trials=9, timeout=9.0), tmp_path, again) == found
    assert again.done == []


def test_a_pair_that_was_begun_is_finished_whatever_the_time(tuning_of, tmp_path, fake):
    """Killed after the second trial of the baseline, six of five seconds are over; the other arm still has its own."""

    def stop(trial, _):
        if (trial.arm, trial.number) == ("baseline", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tuning_of(trials=9, timeout=5.0), tmp_path, fake(), on_trial=stop)
    found = search(tuning_of(trials=9, timeout=5.0), tmp_path, fake())
    assert {arm: len(trials) for arm, trials in found.items()} == {"baseline": 2, "enhanced": 2}


def test_settings_that_cannot_be_trained_are_a_trial_that_failed(tuning_of, tmp_path, fake):
    def fails(job):
        return "TrainingError: nan" if (job.folder.parent.name, job.arm, job.seed) == ("2", "enhanced", 1) else None

    found = search(tuning_of(trials=4), tmp_path, fake(fails=fails))
    failed = found["enhanced"][2]
    assert (failed.state, failed.value, failed.fault, list(failed.reached)) == (
        "failed",
        None,
        "TrainingError: nan",
        [0],
    )
    assert [one.state for one in found["baseline"]] == ["finished"] * 4
    assert best_of(found["enhanced"]).state == "finished"


def test_defaults_that_cannot_be_trained_end_the_search_and_are_tried_again(tuning_of, tmp_path, fake):
    with pytest.raises(TrainingError, match=r"clswgan baseline, seed 0: the defaults cannot be trained: nan"):
        search(tuning_of(), tmp_path, fake(fails=lambda job: "nan" if job.arm == "baseline" else None))
    found = search(tuning_of(), tmp_path, fake())
    assert found["baseline"][0].state == "finished"


class Dies:
    """An executor whose process is killed."""

    def run(self, function, items):
        for item in items:
            yield Ended(item, "its process was killed (SIGKILL)", died=True)


class Elsewhere:
    """An executor on another machine, without the folder."""

    def run(self, function, items):
        yield from map(Ended, items)


def test_a_process_that_is_killed_is_no_failed_trial(tuning_of, tmp_path, fake):
    with pytest.raises(TrainingError, match=r"trial 0: its process was killed .*the same command goes on"):
        search(tuning_of(), tmp_path, Dies())
    with pytest.raises(DataError, match="must be on a shared disk"):
        search(tuning_of(), tmp_path, Elsewhere())
    assert search(tuning_of(), tmp_path, fake())["baseline"][0].state == "finished"


def test_the_same_settings_are_not_trained_twice(tuning_of, tmp_path, fake):
    space = {"set.critic_steps": OneOf((1, 3)), "d3.relation": OneOf(("groups", "gram"))}
    executor = fake()
    found = search(tuning_of(space=space, trials=12), tmp_path, executor)
    assert sum(arm == "baseline" for arm, _, _ in executor.done) == 2 * 2
    assert sum(arm == "enhanced" for arm, _, _ in executor.done) == 2 * len(
        {tuple(one.parameters.items()) for one in found["enhanced"]}
    )
    for trials in found.values():
        values = {}
        for one in trials:
            assert values.setdefault(tuple(one.parameters.items()), one.reached) == one.reached
        assert [one.number for one in trials] == list(range(12))


def test_pruning_saves_seeds_and_never_the_defaults(tuning_of, tmp_path, fake):
    executor = fake()
    found = search(tuning_of(trials=15, seeds=(0, 1, 2), prune=True), tmp_path, executor)
    for arm, trials in found.items():
        pruned = [one for one in trials if one.state == "pruned"]
        assert pruned
        assert trials[0].state == "finished"
        for one in pruned:
            before = sorted(other.reached[0] for other in trials[: one.number] if other.state != "failed")
            assert 1 <= len(one.reached) < 3
            assert one.value is None
            if len(one.reached) == 1:
                assert one.reached[0] < before[len(before) // 2]
        assert sum(where == arm for where, _, _ in executor.done) == sum(len(one.reached) for one in trials)
        assert best_of(trials).value == max(one.value for one in trials if one.value is not None)
    again = fake()
    assert search(tuning_of(trials=15, seeds=(0, 1, 2), prune=True), tmp_path, again) == found
    assert again.done == []


def test_jobs_that_are_watched_are_those_to_do(tuning_of, tmp_path, fake):
    watched = []

    def watch(jobs):
        watched.append([(job.arm, job.seed) for job in jobs])
        return nullcontext()

    search(tuning_of(trials=2), tmp_path, fake(), watch=watch)
    everything = [("baseline", 0), ("baseline", 1), ("enhanced", 0), ("enhanced", 1)]
    assert watched == [everything, everything]


def test_of_equal_trials_the_earlier_is_the_best():
    trials = [Trial("baseline", n, {}, "finished", {0: value}, 1.0) for n, value in enumerate([0.2, 0.5, 0.5])]
    assert best_of(trials).number == 1
    assert best_of([trials[0], Trial("baseline", 1, {}, "pruned", {0: 0.9}, 1.0)]).number == 0


@pytest.mark.parametrize("changes", [{"trials": 0}, {"seeds": ()}, {"timeout": 0.0}])
def test_a_budget_of_nothing_is_refused(changes):
    with pytest.raises(ConfigError, match="budget: expected 1 trial or more, a seed and seconds above 0"):
        Budget(**changes)


def test_a_space_of_one_arm_leaves_the_other_its_own(tuning_of, tmp_path, fake):
    found = search(tuning_of(space={"set.lr": Range(1e-4, 1e-2, log=True)}), tmp_path, fake())
    assert [one.parameters for one in found["baseline"]] == [one.parameters for one in found["enhanced"]]
