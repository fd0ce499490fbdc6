"""Plans of small runs, and ablations with numbers that are made up."""

import random

import pytest

import d3wrap
from d3wrap.ablation.storage import write_ablation
from d3wrap.ablation.variants import variants_of
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.run import Plan
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings

FIELDS = {
    "dataset": "FLO", "generator": "clswgan", "preset": "small", "per_class": {0: 0.5}, "protocol": "fixed",
    "test_used_for_selection": False, "features": "mbv2.mat", "semantics": "att", "split": "att_splits.mat",
    "train_fraction": 1.0, "steps": 100, "batch_size": 64, "training_seconds": 1.0, "evaluation_seconds": 1.0,
    "device": "cpu", "dtype": "float32", "precision": "exact", "versions": {"torch": "2.6.0"},
}  # fmt: skip
METRICS = {"T1": 0.7, "U": 0.5, "S": 0.7, "H": 0.6, "AUSUC": 0.5, "AUROC": 0.8}


@pytest.fixture(scope="session")
def plugins():
    return load_plugins(environ={})


@pytest.fixture
def plan():
    return Plan(
        generator="clswgan",
        settings={"hidden": 8, "steps": 4, "synthetic_per_class": 3},
        d3=D3Settings(teacher_epochs=1, embedding_dim=4),
        classifiers=("softmax", "student"),
        log_every=4,
    )


@pytest.fixture
def dataset():
    return d3wrap.synthetic(8, 3, 6, 4, 10)


@pytest.fixture
def make_runs():
    """Runs of one variant; ``gain`` is added to every metric, differently for each classifier."""

    def make(variant, seeds=6, gain=0.0, spread=0.01, classifiers=("softmax", "student"), **changes):
        found = []
        for seed in range(seeds):
            for place, classifier in enumerate(classifiers):
                draw = random.Random(f"{variant} {seed} {classifier}")
                own = {name: value + gain * (1 + place) + draw.uniform(0, spread) for name, value in METRICS.items()}
                arm = "baseline" if variant == "baseline" else "enhanced"
                fields = {**FIELDS, **own, "arm": arm, "seed": seed, "classifier": classifier}
                found.append(
                    RunResult(**fields | {"formulation": None if arm == "baseline" else "corrected"} | changes)
                )
        return found

    return make


@pytest.fixture
def make_ablation(tmp_path, plan, plugins, make_runs):
    """Write an ablation of a few variants into a folder."""

    def make(name="ablation", gains=None, **options):
        known = {variant.name: variant for variant in variants_of(plan, plugins, 0.1).all}
        gains = gains or {"baseline": 0.0, "full": 0.05, "without-o2dbd": 0.02, "released": -0.05}
        folder = tmp_path / name
        reached = [(known[one], make_runs(one, gain=gain, **options)) for one, gain in gains.items()]
        return folder, write_ablation(folder, reached, {"generator": "clswgan"}, ["d3wrap", "ablate"])

    return make
