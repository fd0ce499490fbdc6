"""ZeroDiff learns: the contrast, the representations, and features of classes it never saw."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

import d3wrap
from d3wrap.data.synthetic import synthetic_world
from d3wrap.evaluation import synthesise
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.seeds import stream
from d3wrap.training.loop import fit

SETTINGS = {
    "hidden": 64, "critic_hidden": 64, "noise_dim": 8, "representation_dim": 32, "time_dim": 4, "output": "relu",
    "lr": 5e-3, "critic_steps": 1, "representation_steps": 100, "representation_generator_steps": 800,
    "mutual": "paper", "mutual_weight": 0.5, "adaptive_penalty": False, "reconstruction_weight": 1.0,
    "adversarial_weight": 1.0,
}  # fmt: skip


class Trained(NamedTuple):
    contrast: list[float]
    features: tuple[float, ...]
    """Distance of generated features of unseen classes from the real ones, from the first stage on."""
    representations: tuple[float, ...]
    """The same of representations."""
    evaluation: Evaluation


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Train on an easy world: three smooth attributes, 36 seen classes around the 4 unseen ones."""
    world = synthetic_world(40, 4, 32, 3, 20)
    data, contrast, seen = world.dataset, [], []
    backbone = d3wrap.build_generator("zerodiff", data, settings=SETTINGS)

    def distances() -> list[float]:
        """How far the mean generated feature and representation of unseen classes lie from the mean real ones."""
        generated, labels = synthesise(backbone, data.semantics, data.unseen, 100, stream(0, "synthesis"))
        with torch.no_grad():
            real = backbone.encode(data.features[data.test_unseen])
        rows = data.labels[data.test_unseen]
        apart = torch.stack([generated[labels == c].mean(0) - real[rows == c].mean(0) for c in data.unseen])
        features, representations = apart[:, : data.feature_dim], apart[:, data.feature_dim :]
        return [float(part.norm(dim=1).mean()) for part in (features, representations)]

    def look(record):
        if "zerodiff/representation.contrast" in record.losses:
            contrast.append(record.losses["zerodiff/representation.contrast"])
        elif record.step % 100 == 20:
            seen.append(distances())

    fit(backbone, data, steps=200, batch_size=64, seed=0, log_every=20, on_log=look)
    evaluation = evaluate_generator(backbone, data, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    seen.append(distances())
    return Trained(contrast, *zip(*seen, strict=True), evaluation)


def test_the_contrast_falls(trained):
    assert trained.contrast[-1] < 0.8 * trained.contrast[0]


def test_generated_unseen_samples_come_near_the_real_ones(trained):
    assert trained.representations[-1] < 0.8 * trained.representations[0]
    assert trained.features[-1] < 0.7 * trained.features[0]


def test_a_stage_that_is_over_leaves_what_it_learned(trained):
    assert len({round(distance, 6) for distance in trained.representations[-2:]}) == 1
    assert trained.features[-1] != trained.features[-2]


def test_unseen_classes_are_told_apart_above_chance(trained):
    assert trained.evaluation["softmax"].T1 > 0.5  # by chance 0.25
