"""The digits that come with the package: sizes, semantics, and how well a ridge regression transfers."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from d3wrap.data import load_dataset
from d3wrap.data.digit_attributes import ATTRIBUTES, digit_semantics
from d3wrap.data.digits import UNSEEN

TABLE = digit_semantics().double().numpy()


def seen_digits(unseen):
    return [digit for digit in range(10) if digit not in unseen]


def describability(unseen):
    """Return how much nearer each unseen description is to its own projection on the seen ones than to another's.

    Cosines, relative to the mean of the seen; ridge 1; the worst of the unseen digits.
    """
    seen = TABLE[seen_digits(unseen)]
    centred, held_back = seen - seen.mean(0), TABLE[list(unseen)] - seen.mean(0)
    gram = centred.T @ centred
    projected = held_back @ np.linalg.solve(gram + np.eye(len(gram)), gram)
    cosines = (held_back @ projected.T) / np.outer(np.linalg.norm(held_back, axis=1), np.linalg.norm(projected, axis=1))
    others = np.where(np.eye(len(unseen), dtype=bool), -np.inf, cosines)
    return (cosines.diagonal() - others.max(1)).min()


def eszsl(dataset):
    """Return T1 of ESZSL (Romera-Paredes and Torr, 2015), both ridges 1, fitted on the training rows."""
    x, a = dataset.train_features.double(), dataset.semantics.double()
    y = (dataset.train_labels[:, None] == dataset.seen).double() * 2 - 1
    s = a[dataset.seen]
    left = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]).double(), x.T @ y @ s)
    w = torch.linalg.solve(s.T @ s + torch.eye(s.shape[1]).double(), left.T).T
    guess = dataset.unseen[(dataset.features[dataset.test_unseen].double() @ w @ a[dataset.unseen].T).argmax(1)]
    labels = dataset.labels[dataset.test_unseen]
    return float(torch.stack([(guess[labels == c] == c).double().mean() for c in dataset.unseen]).mean())


def test_sizes_and_split():
    dataset = load_dataset("digits")
    assert dataset.features.shape == (1797, 64)
    assert (dataset.num_classes, dataset.semantic_dim, dataset.image_shape) == (10, 16, (8, 8))
    assert tuple(dataset.unseen.tolist()) == UNSEEN
    for digit in dataset.seen.tolist():
        held_out = (dataset.labels[dataset.test_seen] == digit).sum() / (dataset.labels == digit).sum()
        assert 0.24 < held_out < 0.26
    rows = torch.cat([dataset.train, dataset.test_seen, dataset.test_unseen])
    assert rows.sort().values.equal(torch.arange(1797))
    assert load_dataset("digits").train.equal(dataset.train)


def test_pictures_come_back_from_scaled_features():
    scaled, raw = load_dataset("digits"), load_dataset("digits", scale="none")
    assert scaled.features.equal(raw.features / 16)
    assert scaled.scaler.inverse(scaled.features).equal(raw.features)
    assert raw.scaler is None
    zero = raw.features[raw.labels == 0].mean(0).reshape(8, 8)
    assert zero[3:5, 3:5].mean() < 2 < 8 < zero[1, 3:5].mean(), "a zero is empty in the middle"


def test_table_is_complete_and_every_attribute_varies_among_seen_digits():
    assert len(ATTRIBUTES) == 16
    assert TABLE.min() == 0
    assert TABLE.max() == 1
    assert (np.ptp(TABLE[seen_digits(UNSEEN)], axis=0) > 0).all()
    assert np.linalg.matrix_rank(TABLE[seen_digits(UNSEEN)]) == 7
    assert len(np.unique(TABLE, axis=0)) == 10


def test_unseen_digits_are_the_best_describable_by_the_table_alone():
    possible = [
        unseen for unseen in combinations(range(10), 3) if (np.ptp(TABLE[seen_digits(unseen)], axis=0) > 0).all()
    ]
    assert len(possible) == 110
    assert max(possible, key=describability) == UNSEEN


def test_a_ridge_regression_transfers_to_the_unseen_digits(record_property):
    accuracy = eszsl(load_dataset("digits"))
    record_property("T1", accuracy)
    assert accuracy == pytest.approx(0.70, abs=0.02)


def test_documented_table_is_the_table():
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    signs = {0.0: "0", 0.5: "½", 1.0: "1"}
    for name, values in ATTRIBUTES.items():
        assert f"| {name} | {' | '.join(signs[value] for value in values)} |" in text
