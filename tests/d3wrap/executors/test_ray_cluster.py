"""What the Ray executor asks of Ray, with a stand-in for it; with Ray itself see ``test_executors.py``."""

from __future__ import annotations

import sys
import types

import pytest

from d3wrap.errors import ConfigError
from d3wrap.executors import make_executor


class WorkerCrashedError(Exception):
    """Raised by ``ray.get`` for a task whose worker died."""


class Task:
    """A call that has not been made yet; like Ray's, it is a key."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments


class Ray(types.ModuleType):
    """The part of Ray's interface that is used; the task begun last ends first, and those of ``dies`` kill a worker."""

    def __init__(self, initialized=False, refuses=None, dies=()):
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayError=WorkerCrashedError)
        self.initialized, self.refuses, self.dies = initialized, refuses, dies
        self.running, self.most, self.cancelled, self.log = [], 0, [], []

    def is_initialized(self):
        return self.initialized

    def init(self, **options):
        self.log.append(("init", options))
        if self.refuses:
            raise self.refuses
        self.initialized = True

    def shutdown(self):
        self.log.append("shutdown")
        self.initialized = False

    def remote(self, function):
        return types.SimpleNamespace(options=lambda **options: self._options(function, options))

    def _options(self, function, options):
        assert self.initialized
        self.log.append(("options", options))

        def begin(*arguments):
            task = Task(function, arguments)
            self.running.append(task)
            self.most = max(self.most, len(self.running))
            return task

        return types.SimpleNamespace(remote=begin)

    def wait(self, tasks):
        assert tasks == self.running
        return [self.running.pop()], list(self.running)

    def get(self, task):
        if task.arguments[-1] in self.dies:
            raise WorkerCrashedError("The worker died.\nA long explanation")
        return task.function(*task.arguments)

    def cancel(self, task, force):
        assert force  # what is computing does not look up
        self.cancelled.append(task)


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Return a function that puts a stand-in where Ray is imported from and makes the executor."""

    def make(jobs=2, threads=3, options=None, **state):
        ray = Ray(**state)
        monkeypatch.setitem(sys.modules, "ray", ray)
        return ray, make_executor("ray", jobs, folder=tmp_path, options=options or {}, threads=threads)

    return make


def test_each_item_ends_once_and_no_more_than_jobs_run_at_once(start):
    ray, executor = start(jobs=2, dies=["b"])
    found = [(one.item, one.fault, one.died) for one in executor.run(int, ["1", "b", "x", "4", "5"])]
    assert sorted(found) == [
        ("1", None, False),
        ("4", None, False),
        ("5", None, False),
        ("b", "its Ray worker died: The worker died.", True),
        ("x", "ValueError: invalid literal for int() with base 10: 'x'", False),
    ]
    assert ray.most == 2
    assert ray.cancelled == []


def test_ray_is_started_here_with_a_cpu_for_each_thread_and_stopped(start):
    ray, executor = start(jobs=4, threads=3, options={"num_gpus": 0.5})
    assert [one.item for one in executor.run(len, [])] == []
    assert ray.log == []  # nothing to do
    assert len(list(executor.run(len, ["a"]))) == 1
    (_, options), (_, asked), last = ray.log
    assert options["num_cpus"] == 12
    assert "address" not in options
    assert asked == {"num_cpus": 3, "num_gpus": 0.5, "max_retries": 0}
    assert last == "shutdown"


def test_a_cluster_is_joined_at_its_address(start):
    ray, executor = start(options={"address": "auto", "num_cpus": 2})
    list(executor.run(len, ["a"]))
    (_, options), (_, asked), _ = ray.log
    assert options["address"] == "auto"
    assert "num_cpus" not in options  # the cluster has those it has
    assert asked["num_cpus"] == 2


def test_what_was_started_before_is_used_and_left_running(start):
    ray, executor = start(initialized=True)
    list(executor.run(len, ["a"]))
    assert [entry for entry in ray.log if entry == "shutdown" or entry[0] == "init"] == []
    assert ray.is_initialized()


def test_what_is_under_way_is_cancelled_when_nobody_waits_for_it(start):
    ray, executor = start(jobs=3)
    running = executor.run(len, "abcdef")
    next(running)
    left = list(ray.running)
    running.close()
    assert len(left) == 2
    assert ray.cancelled == left
    assert ray.log[-1] == "shutdown"


@pytest.mark.parametrize("error", [ConnectionError("no route"), ValueError("bad address"), RuntimeError("in use")])
def test_a_cluster_that_cannot_be_reached_names_its_address(start, error):
    _, executor = start(options={"address": "10.0.0.1:6379"}, refuses=error)
    with pytest.raises(ConfigError, match=rf"Ray cannot be reached at address=10.0.0.1:6379: {error}"):
        next(executor.run(len, ["a"]))


def test_an_option_that_ray_has_not_is_refused(start):
    with pytest.raises(ConfigError, match=r"ray has no option adress \(known: address, num_cpus, num_gpus\)"):
        start(options={"adress": "auto"})
