import numpy as np
import pytest

from d3wrap.comparison.projection import principal_plane
from d3wrap.errors import DataError


@pytest.fixture
def features():
    draw = np.random.default_rng(0)
    return draw.normal(size=(40, 6)) * [5, 1, 3, 0.5, 0.1, 0.2] + 7


def test_the_plane_is_that_of_the_largest_eigenvalues(features):
    plane = principal_plane(features)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    assert plane.explained == pytest.approx(values[::-1][:2] / values.sum())
    for direction, vector in zip(plane.directions, vectors.T[::-1], strict=False):
        assert abs(direction @ vector) == pytest.approx(1)


def test_coordinates_are_centred_and_keep_the_variance(features):
    points = principal_plane(features).project(features)
    assert points.mean(0) == pytest.approx([0, 0], abs=1e-9)
    assert np.cov(points.T)[0, 1] == pytest.approx(0, abs=1e-9)
    assert points.var(0).sum() / features.var(0).sum() == pytest.approx(sum(principal_plane(features).explained))


def test_the_order_of_rows_and_the_sign_of_features_change_nothing_but_signs(features):
    plane, again = principal_plane(features), principal_plane(features[::-1].copy())
    assert again.directions == pytest.approx(plane.directions)
    assert all(direction[np.abs(direction).argmax()] > 0 for direction in plane.directions)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((2, 5)), "three rows"),
        (np.zeros((5, 1)), "three rows of two"),
        (np.ones((5, 3)), "all real features are equal"),
    ],
)
def test_no_plane(features, message):
    with pytest.raises(DataError, match=message):
        principal_plane(features)
