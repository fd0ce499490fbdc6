"""Every executor does every job, whatever becomes of the others."""

from __future__ import annotations

import functools
import importlib.util
import operator
import os
import signal
import sys
import time

import pytest

from d3wrap.errors import ConfigError, MissingExtraError
from d3wrap.executors import make_executor
from d3wrap.executors.slurm import Again

ENGINE = {"slurm": "submitit", "ray": "ray"}


@pytest.fixture
def executor_of(tmp_path):
    """Return a function that makes an executor on this machine; it skips where its engine is not installed."""

    def make(name, jobs=2):
        if name in ENGINE:
            pytest.importorskip(ENGINE[name], reason=f"{ENGINE[name]} is not installed: pip install 'd3wrap[{name}]'")
        options = {"cluster": "local", "poll": 0.05} if name == "slurm" else {}
        return make_executor(name, jobs, folder=tmp_path / name, options=options, threads=1)

    return make


def ended(executor, calls):
    """Call each of several functions without arguments; return what ended, by the place of its call."""
    return {calls.index(one.item): one for one in executor.run(operator.call, calls)}


def kill() -> functools.partial:
    """A job whose process is killed, as the system does when memory runs out."""
    return functools.partial(signal.raise_signal, signal.SIGKILL)


WORDS = {
    "local": "its process was killed (SIGKILL); the system does that when memory runs out",
    "slurm": "ended without a result",
    "ray": "its Ray worker died",
}


@pytest.mark.parametrize(
    ("name", "killed"),
    # submitit waits a quarter of a minute for the result of a process that is gone.
    [("local", True), ("slurm", False), pytest.param("slurm", True, marks=pytest.mark.slow), ("ray", True)],
)
def test_one_that_fails_or_is_killed_stops_no_other(name, killed, executor_of, tmp_path):
    touch = [functools.partial(os.mkdir, tmp_path / str(index)) for index in range(3)]
    found = ended(executor_of(name), [touch[0], functools.partial(int, "x"), *touch[1:], *([kill()] if killed else [])])
    assert sorted(found) == list(range(4 + killed))
    if killed:
        last = found.pop(4)
        assert last.died
        assert WORDS[name] in last.fault
    assert found.pop(1).fault == "ValueError: invalid literal for int() with base 10: 'x'"
    assert [(one.fault, one.died) for one in found.values()] == [(None, False)] * 3
    assert all((tmp_path / str(index)).is_dir() for index in range(3))


def test_an_exit_in_the_middle_is_reported(executor_of):
    found = ended(executor_of("local"), [functools.partial(os._exit, 3), functools.partial(time.sleep, 0.1)])
    assert found[0].died
    assert found[0].fault == "its process ended with exit code 3, in the middle of the run"
    assert found[1].fault is None


def test_slurm_may_interrupt_a_job_and_queue_it_again():
    submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'd3wrap[slurm]'")
    again = Again(operator.call).checkpoint(functools.partial(int, "7"))
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.result() is None
    assert again.function.function is operator.call


def test_with_one_job_everything_is_done_in_this_process(executor_of):
    calls = []
    found = list(executor_of("local", 1).run(calls.append, [1, 2]))
    assert calls == [1, 2]
    assert [one.fault for one in found] == [None, None]


def test_no_more_than_jobs_run_at_once(executor_of, tmp_path):
    """Each leaves when it began and ended; of four, two and two overlap."""
    code = "import sys, time; t = time.time(); time.sleep(0.2); open(sys.argv[1], 'w').write(f'{t} {time.time()}')"
    paths = [tmp_path / str(index) for index in range(4)]
    calls = [functools.partial(os.spawnv, os.P_WAIT, sys.executable, [sys.executable, "-c", code, p]) for p in paths]
    assert all(one.fault is None for one in ended(executor_of("local"), calls).values())
    times = [tuple(map(float, path.read_text().split())) for path in paths]
    assert all(sum(began <= moment < end for began, end in times) <= 2 for moment, _ in times)


def test_what_is_under_way_ends_when_nobody_waits_for_it(executor_of, tmp_path):
    calls = [functools.partial(len, ""), functools.partial(time.sleep, 60)]
    running = executor_of("local").run(operator.call, calls)
    next(running)
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 10


def test_a_missing_engine_names_the_line_to_type(monkeypatch, tmp_path):
    for name, engine in ENGINE.items():
        monkeypatch.setitem(sys.modules, engine, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'd3wrap\[{name}\]'"):
            make_executor(name, 1, folder=tmp_path)


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="local has none, found partition"):
        make_executor("local", 1, folder=tmp_path, options={"partition": "gpu"})
    if importlib.util.find_spec("submitit"):
        with pytest.raises(ConfigError, match=r"--executor-option: .*partitoin"):
            make_executor("slurm", 1, folder=tmp_path, options={"cluster": "local", "partitoin": "gpu"})
    if importlib.util.find_spec("ray"):
        with pytest.raises(ConfigError, match="ray has no option adress"):
            make_executor("ray", 1, folder=tmp_path, options={"adress": "auto"})
