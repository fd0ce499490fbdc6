"""Test rows stay in the vault until everything is chosen, and come out once."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import d3wrap
from d3wrap.errors import ProtocolError
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.protocol import Vault, validation_world

USES = {
    "index": lambda data: data.features[data.test_seen],
    "index of labels": lambda data: data.labels[data.test_unseen],
    "len": lambda data: len(data.test_seen),
    "size": lambda data: data.test_unseen.numel(),
    "shape": lambda data: data.test_unseen.shape,
    "list": lambda data: data.test_seen.tolist(),
    "iteration": lambda data: list(data.test_seen),
    "arithmetic": lambda data: data.test_seen + 1,
    "cat": lambda data: torch.cat([data.train, data.test_seen]),
    "isin": lambda data: torch.isin(data.train, data.test_seen),
    "numpy": lambda data: data.test_seen.numpy(),
    "print": lambda data: str(data.test_seen),
}


@pytest.fixture
def dataset():
    return d3wrap.synthetic(10, 3, 6, 4, 8)


@pytest.mark.parametrize("use", USES)
def test_any_use_raises_and_names_the_caller(dataset, use):
    with pytest.raises(ProtocolError, match=r"test_sealing\.py:\d+ .* before everything was chosen"):
        USES[use](Vault(dataset).sealed)


def test_the_test_images_are_not_there_at_all(dataset):
    sealed = Vault(dataset).sealed
    assert len(sealed.features) == len(sealed.labels) == len(dataset.train)
    assert torch.equal(sealed.train_features, dataset.train_features)
    assert torch.equal(sealed.train_labels, dataset.train_labels)


def test_it_can_be_carried_and_moved(dataset):
    sealed = Vault(dataset).sealed
    moved = dataclasses.replace(sealed, name="x").to("cpu", torch.float64)
    assert moved.features.dtype == torch.float64
    with pytest.raises(ProtocolError):
        len(moved.test_seen)


def test_official_rows_point_to_the_same_images(dataset):
    rows = dataset.train[::3]
    sealed = Vault(dataclasses.replace(dataset, official_val=rows)).sealed
    assert torch.equal(sealed.features[sealed.official_val], dataset.features[rows])


def test_a_generator_is_trained_and_a_world_cut_without_them(dataset):
    vault = Vault(dataset)
    one, whole = validation_world(vault.sealed, seed=0), validation_world(dataset, seed=0)
    assert torch.equal(one.features, whole.features)
    trained = []
    for data in (vault.sealed, dataset):
        backbone = d3wrap.build_generator("clswgan", data, settings={"hidden": 8, "steps": 3})
        d3 = d3wrap.enhance(backbone, data, teacher_epochs=1, embedding_dim=4)
        d3.fit()
        trained.append(d3)
        if data is vault.sealed:
            with pytest.raises(ProtocolError):
                d3.evaluate()
    for a, b in zip(*(one.generator.state_dict().values() for one in trained), strict=True):
        assert torch.equal(a, b)
    vault.decide(steps=3)
    assert set(evaluate_generator(trained[0].generator, vault.open(), seed=0, synthetic_per_class=2))


def test_the_vault_opens_once_and_not_before_the_choice(dataset):
    vault = Vault(dataset)
    with pytest.raises(ProtocolError, match=r"test_sealing\.py:\d+ .*before decide\(\)"):
        vault.open()
    vault.decide(steps=10)
    assert vault.decided == {"steps": 10}
    with pytest.raises(ProtocolError, match=r"chose again; chosen was \{'steps': 10}"):
        vault.decide(steps=11)
    assert vault.open() is dataset
    with pytest.raises(ProtocolError, match=r"they were given out once"):
        vault.open()
