import json
import platform
import sys

import torch

from d3wrap.comparison.manifest import manifest, versions


def test_a_manifest_says_what_the_run_was_made_of(small_dataset):
    found = manifest(config={"lr": 1e-4}, seed=3, arm="enhanced", dataset=small_dataset, precision="tf32")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["seed"], found["arm"], found["precision"], found["dtype"]) == (3, "enhanced", "tf32", "float32")
    assert found["command"] == sys.argv
    assert found["config"] == {"lr": 1e-4}
    assert found["dataset"] == {
        "name": "small",
        "rows": 6,
        "train_rows": 2,
        "train_fraction": 1.0,
        "feature_dim": 2,
        "semantic_dim": 3,
        "seen": 2,
        "unseen": 1,
        "scaled": False,
        "provenance": {"features": "made up", "sha256.small.mat": "0" * 64},
    }
    assert found["machine"]["device"] == "cpu"
    assert found["machine"]["threads"] == torch.get_num_threads()
    assert found["machine"]["cpu"]
    assert found["machine"]["gpu"] is None


def test_device_and_dtype_are_those_of_the_features(small_dataset):
    moved = small_dataset.to("meta", torch.float64)
    found = manifest(config={}, seed=0, arm="baseline", dataset=moved, precision="exact", command=["x"])
    assert (found["machine"]["device"], found["dtype"], found["command"]) == ("meta", "float64", ["x"])


def test_versions_are_those_installed():
    assert versions()["torch"] == torch.__version__
    assert versions()["python"] == platform.python_version()
    assert set(versions()) == {"python", "d3wrap", "torch", "numpy", "scipy", "pluggy"}
