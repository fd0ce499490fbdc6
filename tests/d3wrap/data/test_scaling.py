"""Scaling learns from training rows only, and can be undone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from d3wrap.data import MinMaxScaler, load_dataset


def test_only_training_rows_decide_the_range(tmp_path, make):
    arrays = make.npz_arrays()
    plain = load_dataset(make.npz(tmp_path / "plain.npz"))
    for name in ("test_seen", "test_unseen"):
        features = arrays["features"].copy()
        features[arrays[name]] = features[arrays[name]] * 100 - 50
        dataset = load_dataset(make.npz(tmp_path / f"{name}.npz", features=features))
        assert dataset.train_features.equal(plain.train_features)
        assert dataset.scaler.minimum.equal(plain.scaler.minimum)
        assert dataset.features.max() > 10
    expected = arrays["features"][arrays["train"]]
    np.testing.assert_array_equal(plain.scaler.minimum.numpy(), expected.min(0))
    np.testing.assert_array_equal(plain.scaler.span.numpy(), expected.max(0) - expected.min(0))
    assert plain.train_features.amin(0).tolist() == [0, 0, 0]
    assert plain.train_features.amax(0).tolist() == [1, 1, 1]


def test_pixels_share_the_range_of_training_rows():
    features = torch.tensor([[0.0, 2.0, 5.0], [1.0, 2.0, 9.0]])
    scaler = MinMaxScaler.fit(features, jointly=True)
    assert scaler.transform(features).equal(features / 9)


def test_scaling_can_be_undone_and_constant_features_become_zero():
    features = torch.rand(9, 4, dtype=torch.float64)
    features[:, 2] = 7
    scaler = MinMaxScaler.fit(features)
    scaled = scaler.transform(features)
    assert scaled[:, 2].eq(0).all()
    torch.testing.assert_close(scaler.inverse(scaled), features)


@pytest.mark.parametrize("scale", ["minmax", "none"])
def test_scale_none_leaves_features_as_they_are(scale, tmp_path, make):
    dataset = load_dataset(make.npz(tmp_path / "a.npz"), scale=scale)
    same = np.array_equal(dataset.features.numpy(), make.npz_arrays()["features"])
    assert same == (scale == "none") == (dataset.scaler is None)
