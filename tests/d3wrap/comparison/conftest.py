import itertools
import random

import pytest
import torch

from d3wrap.comparison.results import RunResult
from d3wrap.data.dataset import GZSLDataset

BASE = {
    "dataset": "FLO",
    "generator": "clswgan",
    "preset": "paper",
    "seed": 0,
    "T1": 0.71,
    "U": 0.57,
    "S": 0.74,
    "H": 0.64,
    "AUSUC": 0.52,
    "AUROC": 0.87,
    "per_class": {0: 0.5, 17: 1.0},
    "protocol": "honest",
    "test_used_for_selection": False,
    "features": "mbv2.mat",
    "semantics": "att",
    "split": "att_splits.mat",
    "train_fraction": 1.0,
    "steps": 4000,
    "batch_size": 64,
    "training_seconds": 12.5,
    "evaluation_seconds": 3.25,
    "device": "cpu",
    "dtype": "float32",
    "precision": "exact",
    "versions": {"torch": "2.6.0"},
}


@pytest.fixture
def make_run():
    """A valid run; keywords change fields."""

    def make(arm="baseline", classifier="softmax", **changes):
        formulation = None if arm == "baseline" else "corrected"
        return RunResult(**({**BASE, "arm": arm, "classifier": classifier, "formulation": formulation} | changes))

    return make


@pytest.fixture
def make_runs(make_run):
    """Both arms over ``seeds``, enhanced about 2 points better in every metric, ``student`` too."""

    def make(seeds, gain=0.02, spread=0.003, **changes):
        draw, runs = random.Random(0), []
        for seed in seeds:
            for arm, classifier in itertools.product(("baseline", "enhanced"), ("softmax", "student")):
                shift = (gain if arm == "enhanced" else 0.0) + draw.uniform(-spread, spread)
                metrics = {m: BASE[m] + shift for m in ("T1", "U", "S", "H", "AUSUC", "AUROC")}
                runs.append(make_run(arm, classifier, seed=seed, **(metrics | changes)))
        return runs

    return make


@pytest.fixture
def small_dataset():
    return GZSLDataset(
        name="small",
        features=torch.arange(12.0).reshape(6, 2),
        labels=torch.tensor([0, 0, 1, 1, 2, 2]),
        semantics=torch.eye(3),
        seen=torch.tensor([0, 1]),
        unseen=torch.tensor([2]),
        train=torch.tensor([0, 2]),
        test_seen=torch.tensor([1, 3]),
        test_unseen=torch.tensor([4, 5]),
        class_names=("a", "b", "c"),
        provenance={"features": "made up", "sha256.small.mat": "0" * 64},
    )
