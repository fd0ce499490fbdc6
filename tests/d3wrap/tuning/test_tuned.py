"""tuned.yaml: read as it was written, refused where it was not, and applied to the runs it is of alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import d3wrap
from d3wrap.comparison.compare import make_jobs
from d3wrap.config import Override
from d3wrap.errors import ConfigError
from d3wrap.settings import D3Settings
from d3wrap.tuning.applying import tuned_jobs
from d3wrap.tuning.trial import Trial
from d3wrap.tuning.tuned import Tuned, TunedArm, make_tuned, read_tuned, searched, write_tuned

BASELINE = {"set.lr": 0.002, "set.critic_steps": 2}
ENHANCED = {"set.lr": 1e-5, "set.critic_steps": 3, "d3.alpha": 1e22, "d3.relation": "gram"}


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.load_dataset("synthetic:classes=12,unseen=4,dim=6,samples=10")


@pytest.fixture
def tuned(tuning_of, dataset):
    tuning = tuning_of()
    trials = {
        arm: [Trial(arm, n, best if n == 1 else defaults, "finished", {0: 0.5 + 0.1 * (n == 1)}, 2.0) for n in range(3)]
        for arm, best in (("baseline", BASELINE), ("enhanced", ENHANCED))
        for defaults in [{key: tuning.defaults[key] for key in best}]
    }
    return make_tuned(tuning, trials, dataset)


def test_it_is_read_as_it_was_written(tuned, tmp_path):
    path = write_tuned(tmp_path, tuned)
    assert path.name == "tuned.yaml"
    for given_path in (path, tmp_path):
        found = read_tuned(given_path)
        assert found == tuned
        assert found.source == str(path)
        assert len(found.sha256) == 64
    assert found.arms["baseline"] == TunedArm(BASELINE, 1, 0.6, 0.5, 3, 6.0)
    assert isinstance(found.arms["enhanced"].settings["d3.alpha"], float)


values = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
values |= st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8)


@given(st.dictionaries(st.sampled_from(["set.a", "set.lr", "d3.beta"]), values))
def test_any_value_is_read_as_it_was_written(tmp_path_factory, settings):
    folder = tmp_path_factory.mktemp("tuned")
    arm = TunedArm(settings, 0, 0.5, 0.5, 1, 1.0)
    own = {key: value for key, value in settings.items() if key.startswith("set.")}
    searched = {"generator": "g", "preset": "p", "set": {}, "formulation": "corrected", "d3": {}, "block": []}
    one = Tuned(searched | {"dataset": {}}, {}, {"baseline": dataclasses.replace(arm, settings=own), "enhanced": arm})
    write_tuned(folder, one)
    found = read_tuned(folder)
    assert found == one
    kinds = [type(value) for value in found.arms["enhanced"].settings.values()]
    assert kinds == [type(value) for value in settings.values()]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("arms:", "arm:", "expected the keys searched, validation, arms, found searched, validation, arm"),
        ("  generator: clswgan", "  generatr: clswgan", "searched: expected the keys generator, preset"),
        ("  preset: small", "  preset: 3", "searched.preset: expected str, found int"),
        ("  baseline:", "  base:", "arms: expected the arms baseline and enhanced"),
        ("    trial: 1\n", "", r"arms\.baseline: expected the keys settings, trial"),
        ("    trial: 1\n", "    trial: one\n", r"arms\.baseline\.trial: expected int, found str"),
        ("set.critic_steps: 2", "d3.beta: 2", r"arms\.baseline\.settings\.d3\.beta: expected set\.…"),
        ("set.critic_steps: 2", "lr: 2", r"expected set\.…"),
        ("searched:", "searched: [", "tuned.yaml:"),
    ],
)
def test_a_file_that_was_changed_is_refused(tuned, tmp_path, old, new, message):
    path = write_tuned(tmp_path, tuned)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message) as caught:
        read_tuned(path)
    assert str(path) in str(caught.value)


def test_a_search_that_has_not_ended_has_none(tmp_path):
    with pytest.raises(ConfigError, match=r"tuned\.yaml: no such file; where a search has not ended"):
        read_tuned(tmp_path)


@pytest.fixture
def stored(tuned, tmp_path):
    write_tuned(tmp_path, tuned)
    return read_tuned(tmp_path)


def test_each_arm_gets_its_own_settings_and_says_so(plan, stored, dataset):
    jobs = make_jobs([plan], [0, 1], Path("out"))
    found = tuned_jobs(jobs, [stored], lambda job: dataset)
    assert [(one.arm, one.seed, one.folder) for one in found] == [(one.arm, one.seed, one.folder) for one in jobs]
    for job in found:
        settings = {one.key: one.value for one in job.plan.settings}
        best = BASELINE if job.arm == "baseline" else ENHANCED
        assert (settings["lr"], settings["critic_steps"]) == (best["set.lr"], best["set.critic_steps"])
        assert (settings["steps"], settings["hidden"]) == (4, 8)
        assert job.plan.tuned["settings"] == best
        assert job.plan.tuned["sha256"] == stored.sha256
        assert (job.plan.tuned["default"], job.plan.tuned["value"]) == (0.5, 0.6)
    assert found[0].plan.d3 == plan.d3
    assert found[1].plan.d3 == dataclasses.replace(plan.d3, alpha=1e22, relation="gram")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": "cvae"}, r"expected settings for cvae on synthetic, found only for clswgan; .*--generator cvae"),
        ({"preset": "paper"}, r'preset is "small" there and "paper" now; give the same options'),
        ({"settings": {"steps": 5, "hidden": 8}}, "set.steps is 4 there and 5 now"),
        ({"d3": D3Settings(teacher_epochs=1, embedding_dim=4, beta=0.1)}, r"d3\.beta is missing there and 0\.1 now"),
        ({"d3": D3Settings("released", teacher_epochs=1, embedding_dim=4)}, 'formulation is "corrected" there'),
        ({"block": ("o2dbd",)}, "block is .* there and .*o2dbd.* now"),
    ],
)
def test_runs_of_something_else_are_refused(plan, stored, dataset, changes, message):
    jobs = make_jobs([dataclasses.replace(plan, **changes)], [0], Path("out"))
    with pytest.raises(ConfigError, match=f"--tuned: .*{message}"):
        tuned_jobs(jobs, [stored], lambda job: dataset)


def test_other_data_are_refused(plan, stored):
    other = d3wrap.load_dataset("synthetic:classes=12,unseen=4,dim=6,samples=11")
    with pytest.raises(ConfigError, match=r"dataset\.rows is 120 there and 132 now"):
        tuned_jobs(make_jobs([plan], [0], Path("out")), [stored], lambda job: other)


def test_of_several_each_run_gets_its_own(plan, stored, dataset):
    other = d3wrap.load_dataset("synthetic:classes=12,unseen=4,dim=6,samples=11")
    arm = dataclasses.replace(stored.arms["baseline"], settings={"set.lr": 0.7})
    second = dataclasses.replace(
        stored,
        searched=stored.searched | {"dataset": dict(stored.searched["dataset"])},
        arms={"baseline": arm, "enhanced": arm},
        source="second",
    )
    jobs = make_jobs([plan], [0], Path("out"))
    with pytest.raises(ConfigError, match=r"tuned\.yaml and second are both of clswgan on synthetic; give one"):
        tuned_jobs(jobs, [stored, second], lambda job: dataset)
    second = dataclasses.replace(second, searched=searched(plan, other))
    of_other = [dataclasses.replace(job, place="other") for job in jobs]
    found = tuned_jobs([*jobs, *of_other], [stored, second], lambda job: other if job.place else dataset)
    rates = [{one.key: one.value for one in job.plan.settings}["lr"] for job in found]
    assert rates == [0.002, 1e-5, 0.7, 0.7]


def test_of_repeated_settings_the_last_counts(plan, stored, dataset):
    repeated = (Override("steps", 9, ""), *plan.settings)
    jobs = make_jobs([dataclasses.replace(plan, settings=repeated)], [0], Path("out"))
    assert len(tuned_jobs(jobs, [stored], lambda job: dataset)) == 2
