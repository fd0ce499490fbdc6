from __future__ import annotations

import math
from statistics import fmean
from types import SimpleNamespace

import pytest

from d3wrap.comparison.run import Plan
from d3wrap.config import Override
from d3wrap.executors.executor import Ended
from d3wrap.files import write_json
from d3wrap.manager import load_plugins
from d3wrap.protocol.choice import Search
from d3wrap.settings import D3Settings
from d3wrap.tuning.search import Budget, Tuning
from d3wrap.tuning.space import with_parameters
from d3wrap.tuning.values import OneOf, Range

PLUGINS = load_plugins(environ={})
SPACE = {
    "set.lr": Range(1e-4, 1e-2, log=True),
    "set.critic_steps": Range(1, 5),
    "d3.alpha": Range(1.0, 40.0, log=True),
    "d3.relation": OneOf(("groups", "gram")),
}
DEFAULTS = {"set.lr": 4e-4, "set.critic_steps": 3, "d3.alpha": 10.0, "d3.relation": "groups"}
SOURCE = {"source": "synthetic:classes=12,unseen=4,dim=6,samples=10", "scale": "minmax"}


@pytest.fixture
def plan():
    return Plan(
        "clswgan",
        settings=(Override("steps", 4, "--set steps"), Override("hidden", 8, "--set hidden")),
        d3=D3Settings(teacher_epochs=1, embedding_dim=4),
        classifiers=("softmax",),
        source=SOURCE,
        protocol="honest",
        search=Search(points=2, samples=(4,), folds=1),
    )


@pytest.fixture
def tuning_of(plan):
    """Return a function that makes a search of ``SPACE``; keywords change its budget or its own fields."""

    def make(seed=0, space=SPACE, **budget):
        defaults = {key: DEFAULTS[key] for key in space}
        job = {"plugins": PLUGINS.names, "device": "cpu", "threads": 1}
        return Tuning(plan, defaults, space, Budget(**({"trials": 4, "seeds": (0, 1)} | budget)), seed, job)

    return make


def reached(job):
    """What a job reaches in the fake world: a smooth function of its settings, and a little of the seed."""
    settings = {one.key: one.value for one in job.plan.settings}
    value = 0.5 - 0.05 * math.log(settings.get("lr", 4e-4) / 2e-3) ** 2 + 0.001 * settings.get("critic_steps", 3)
    if job.arm == "enhanced":
        value += 0.02 * (job.plan.d3.relation == "gram") - 0.01 * math.log(job.plan.d3.alpha / 5) ** 2
    return min(max(value + 0.003 * job.seed, 0.0), 1.0)


class FakeExecutor:
    """Does no training: leaves what a training would leave. ``stop`` says how many jobs it does before it is killed."""

    def __init__(self, stop=None, seconds=1.0, fails=lambda job: None):
        self.done, self.stop, self.seconds, self.fails = [], stop, seconds, fails

    def run(self, function, items):
        for job in items:
            if self.stop is not None and len(self.done) >= self.stop:
                raise KeyboardInterrupt
            self.done.append((job.arm, job.folder.parent.name, job.seed))
            if fault := self.fails(job):
                write_json(job.folder / "failed.json", {"fault": fault, "seconds": self.seconds})
            else:
                tried = [{"steps": 4, "synthetic_per_class": 4, "AUSUC": reached(job)}]
                choice = {"steps": 4, "synthetic_per_class": 4, "gammas": {}, "tried": tried, "worlds": []}
                write_json(job.folder / "choice.json", choice | {"seconds": self.seconds})
            yield Ended(job)


@pytest.fixture
def fake():
    return FakeExecutor


@pytest.fixture
def value_of(plan):
    """The mean that the fake world gives for an arm's settings, without any of the search."""

    def value(parameters, arm, seeds=(0, 1)):
        changed = with_parameters(plan, parameters)
        return fmean(reached(SimpleNamespace(plan=changed, arm=arm, seed=seed)) for seed in seeds)

    return value
