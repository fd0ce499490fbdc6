"""Folders as ``d3wrap compare`` leaves them, with numbers that are made up."""

import base64
import functools
import json
import random

import pytest

from d3wrap.comparison.aggregate import aggregate
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.storage import write_results
from d3wrap.report.collect import collect

ARMS = ("baseline", "enhanced")
BASE = {
    "dataset": "FLO", "generator": "clswgan", "preset": "small", "T1": 0.71, "U": 0.57, "S": 0.74, "H": 0.64,
    "AUSUC": 0.52, "AUROC": 0.7, "ECE": 0.1, "unseen_as_seen": 0.3, "seen_as_unseen": 0.1, "protocol": "honest",
    "test_used_for_selection": False, "features": "mbv2.mat", "semantics": "att", "split": "att_splits.mat",
    "train_fraction": 1.0, "steps": 4000, "batch_size": 64, "training_seconds": 12.5, "evaluation_seconds": 3.25,
    "device": "cpu", "dtype": "float32", "precision": "exact", "versions": {"torch": "2.6.0"},
}  # fmt: skip
MOVED = ("T1", "U", "S", "H", "AUSUC", "AUROC")
CLASSES = ("lily", "rose", "tulip", "daisy")


def fractions(arm, seed, gain, spread, changes):
    draw = random.Random(f"{arm} {seed}")
    return {name: BASE[name] + (gain if arm == "enhanced" else 0) + draw.uniform(-spread, spread) for name in MOVED} | {
        "per_class": {c: min(1.0, 0.2 + 0.2 * c + (gain if arm == "enhanced" else 0)) for c in range(len(CLASSES))},
        **changes,
    }


def encoded(labels):
    return base64.b64encode(b"".join(label.to_bytes(4, "little") for label in labels)).decode()


def bits(text):
    return base64.b64encode(bytes([int(text.ljust(8, "0"), 2)])).decode()


def artefacts(seed, arm, classifiers, names=CLASSES):
    draw = random.Random(f"{seed} {arm}")

    def points(centre):
        return [[centre + draw.gauss(0, 0.2), draw.gauss(0, 0.2)] for _ in range(8)]

    picture = base64.b64encode(bytes(range(6)) * 3).decode()
    return {
        "schema": "d3wrap.artefacts/1",
        "classes": {str(c): {"name": name, "unseen": c > 1, "test_images": 10 + c} for c, name in enumerate(names)},
        "curves": {name: {"unseen": [0.0, 0.3, 0.6], "seen": [0.9, 0.7, 0.0]} for name in classifiers},
        "outcomes": {
            "seen": {"labels": encoded([0, 0, 1, 1]), "right": dict.fromkeys(classifiers, bits("1101"))},
            "unseen": {"labels": encoded([2, 2, 3]), "right": dict.fromkeys(classifiers, bits("101"))},
        },
        "projection": {
            "explained": [0.4, 0.2],
            "real": {"2": points(0), "3": points(2)},
            "generated": {"2": points(0.5), "3": points(1.5)},
        },
        "pictures": {"shape": [2, 3], "real": {"2": picture}, "generated": {"2": picture}},
        "reasons": {},
    }


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Spare the tests most of a bootstrap, which takes a second for each page of several comparisons."""
    monkeypatch.setattr("d3wrap.report.verdict.aggregate", functools.partial(aggregate, resamples=50))


@pytest.fixture
def make_folder(tmp_path):
    """Write a comparison; ``spoil`` may change a run's files before they are written."""

    def make(
        name="runs", *, seeds=6, gain=0.05, spread=0.01, classifiers=("softmax", "student"), folders=True,
        names=CLASSES, command=("d3wrap", "compare"), **changes,
    ):  # fmt: skip
        folder, everything = tmp_path / name, []
        for seed in range(seeds):
            for arm in ARMS:
                formulation = None if arm == "baseline" else "corrected"
                fields = BASE | {"arm": arm, "seed": seed, "formulation": formulation}
                runs = [
                    RunResult(**fields | {"classifier": one} | fractions(arm, f"{one}{seed}", gain, spread, changes))
                    for one in classifiers
                ]
                everything += runs
                if folders:
                    own = folder / runs[0].generator.replace("/", "_") / f"seed-{seed}" / arm
                    own.mkdir(parents=True)
                    (own / "result.json").write_text(json.dumps([run.as_dict() for run in runs]))
                    (own / "manifest.json").write_text(json.dumps({"arm": arm, "seed": seed, "note": names[0]}))
                    (own / "artefacts.json").write_text(json.dumps(artefacts(seed, arm, classifiers, names)))
                    losses = [{"step": s, "seconds": 1.0, "losses": {"gan/critic": 1 / s}} for s in (50, 100)]
                    for line in losses:
                        if arm == "enhanced":
                            line["losses"]["id2sd/labels"] = 0.5
                    (own / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in losses))
        write_results(folder, everything, {"steps": 4000}, command)
        return folder

    return make


@pytest.fixture
def comparisons(make_folder):
    """One comparison of six seeds, all files there."""
    return collect([make_folder()])
