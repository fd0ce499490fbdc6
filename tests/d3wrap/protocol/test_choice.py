"""What is chosen in the validation world, and that test rows have no say in it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import d3wrap
from d3wrap.errors import ConfigError
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.protocol import Vault, validation_world
from d3wrap.protocol.choice import Search, choose
from d3wrap.protocol.fold import Fold, _divisor
from d3wrap.settings import D3Settings

SMALL = {"hidden": 16, "steps": 12, "synthetic_per_class": 5}


def build(arm, **settings):
    def make(dataset):
        backbone = d3wrap.build_generator("clswgan", dataset, settings=SMALL | settings, seed=1)
        if arm == "baseline":
            return backbone, None
        return backbone, d3wrap.Enhancer(backbone, dataset, D3Settings(teacher_epochs=1, embedding_dim=4), seed=1)

    return make


@pytest.fixture
def dataset():
    return d3wrap.synthetic(12, 4, 6, 4, 10)


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_it_takes_what_is_best_there(dataset, arm):
    search = Search(points=3, samples=(3, 6), folds=1)
    chosen = choose(build(arm), Vault(dataset).sealed, seed=1, search=search, embedding_dim=4)
    assert [(one["steps"], one["synthetic_per_class"]) for one in chosen.tried] == [
        (steps, n) for steps in (4, 8, 12) for n in (3, 6)
    ]
    best = max(one["AUSUC"] for one in chosen.tried)
    (first, *_) = (one for one in chosen.tried if one["AUSUC"] == best)
    assert (chosen.steps, chosen.synthetic_per_class) == (first["steps"], first["synthetic_per_class"])
    assert set(chosen.gammas) == set(CLASSIFIERS)
    assert chosen.gammas["softmax"] == first["gamma"]
    assert chosen.score == best
    (world,) = chosen.worlds
    assert "fold 0 of" in world
    assert chosen.seconds > 0
    assert chosen.as_dict()["criterion"] == "AUSUC"


def test_a_candidate_is_what_training_so_long_gives(dataset):
    """The states kept on the way are those of shorter runs, and measured as any generator is."""
    chosen = choose(build("baseline"), dataset, seed=1, search=Search(3, folds=1), classifiers=["softmax"])
    world = validation_world(dataset, seed=1)
    for one in chosen.tried:
        backbone, _ = build("baseline", steps=one["steps"])(world)
        d3wrap.training.loop.fit(backbone, world, steps=one["steps"], batch_size=64, seed=1)
        metrics = evaluate_generator(backbone, world, seed=1, synthetic_per_class=5, classifiers=["softmax"])["softmax"]
        assert (one["AUSUC"], one["H"], one["T1"]) == (metrics.AUSUC, metrics.H, metrics.T1)
        assert metrics.curve.at(one["gamma"])[2] == one["H_gamma"]


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_over_several_worlds_it_is_the_mean_that_counts(dataset, arm):
    whole = choose(build(arm), dataset, seed=1, search=Search(points=3), embedding_dim=4)
    arms, worlds = [], [validation_world(dataset, seed=1, fold=fold) for fold in range(2)]
    for world in worlds:
        backbone, enhancer = build(arm)(world)
        arms.append((backbone, enhancer, {}))

        def keep(record, backbone=backbone, enhancer=enhancer, states=arms[-1][2]):
            parts = [part.state_dict() for part in (backbone, enhancer) if part is not None]
            states[record.step] = [{name: value.clone() for name, value in part.items()} for part in parts]

        d3wrap.training.loop.fit(
            backbone, world, steps=12, batch_size=64, seed=1, enhancer=enhancer, log_every=4, on_log=keep
        )

    def measured(world, backbone, enhancer, states, steps):
        for part, state in zip([part for part in (backbone, enhancer) if part is not None], states[steps], strict=True):
            part.load_state_dict(state)
        return evaluate_generator(backbone, world, seed=1, synthetic_per_class=5, embedding_dim=4, enhancer=enhancer)

    reached = {
        steps: [measured(world, *arm, steps) for world, arm in zip(worlds, arms, strict=True)] for steps in (4, 8, 12)
    }
    for one in whole.tried:
        values = [found["softmax"] for found in reached[one["steps"]]]
        for name in ("AUSUC", "T1", "H"):
            assert one["by_world"][name] == [getattr(value, name) for value in values]
            assert one[name] == pytest.approx(sum(one["by_world"][name]) / 2)
    means = {steps: sum(found["softmax"].AUSUC for found in worlds) for steps, worlds in reached.items()}
    assert whole.steps == max(means, key=means.__getitem__)
    assert len(whole.worlds) == 2
    for name, gamma in whole.gammas.items():
        curves = [found[name].curve for found in reached[whole.steps]]
        grid = [t + shift for curve in curves for t in curve.thresholds for shift in (-1e-9, 1e-9)]
        best = max(sum(curve.at(g)[2] for curve in curves) for g in grid)
        assert sum(curve.at(gamma)[2] for curve in curves) == pytest.approx(best)


def test_a_choice_that_stopped_goes_on_from_its_folder(dataset, tmp_path, monkeypatch):
    kwargs = {"seed": 1, "search": Search(points=2), "embedding_dim": 4, "checkpoint_every": 0}
    expected = choose(build("enhanced"), dataset, **kwargs)
    trained, measured = [], []

    def stopping(fold, *arguments):
        if measured:
            raise KeyboardInterrupt
        measured.append(fold.folder.name)
        return measure(fold, *arguments)

    measure, train = Fold.measure, Fold._train
    monkeypatch.setattr(Fold, "_train", lambda fold, *rest: (trained.append(fold.folder.name), train(fold, *rest)))
    with monkeypatch.context() as patch:
        patch.setattr(Fold, "measure", stopping)
        with pytest.raises(KeyboardInterrupt):
            choose(build("enhanced"), dataset, folder=tmp_path, **kwargs)
    assert trained == ["fold-1"]
    assert choose(build("enhanced"), dataset, folder=tmp_path, **kwargs) == expected
    assert trained == ["fold-1", "fold-2"]
    assert not list(tmp_path.rglob("step-*"))


@pytest.mark.parametrize(("steps", "divisor"), [(750, 50), (12, 12), (53, 53), (1, 1), (2500, 50), (106, 53)])
def test_losses_are_logged_at_every_candidate(steps, divisor):
    assert _divisor(steps) == divisor


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_permuted_test_labels_and_other_test_images_change_no_choice(dataset, arm):
    labels, features = dataset.labels.clone(), dataset.features.clone()
    for rows in (dataset.test_seen, dataset.test_unseen):
        labels[rows] = labels[rows].roll(7)
        features[rows] = torch.rand_like(features[rows])
    other = dataclasses.replace(dataset, labels=labels, features=features)
    one, two = (choose(build(arm), data, seed=1, search=Search(points=2), embedding_dim=4) for data in (dataset, other))
    assert one == two


def test_a_search_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="expected 1 or more, found 0"):
        Search(points=0)
    with pytest.raises(ConfigError, match=r"and \[3, 0\]"):
        Search(samples=(3, 0))
    with pytest.raises(ConfigError, match="folds: expected 1 or more, found 0"):
        Search(folds=0)
