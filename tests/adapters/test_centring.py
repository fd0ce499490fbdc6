"""What is diffused: centred, as spread as asked, and back again."""

from __future__ import annotations

import pytest
import torch

from d3wrap.adapters.centring import Centring
from d3wrap.seeds import stream


def features() -> torch.Tensor:
    width = torch.tensor([0.1, 1.0, 3.0], dtype=torch.float64)
    return 2 + width * torch.rand(50, 3, dtype=torch.float64, generator=stream(0, "test"))


def test_until_it_is_fitted_it_changes_nothing():
    centring = Centring(3).double()
    assert torch.equal(centring(features()), features())
    assert torch.equal(centring.back(features()), features())


@pytest.mark.parametrize("spread", [1.0, 0.25])
def test_fitted_it_has_mean_zero_and_the_spread_asked_for(spread):
    centring = Centring(3).double()
    centring.fit(features(), spread)
    centred = centring(features())
    assert float(centred.mean(0).abs().max()) < 1e-12
    variances = [float(((column - column.mean()) ** 2).mean()) for column in centred.T]
    assert sum(variances) / 3 == pytest.approx(spread**2)
    torch.testing.assert_close(centring.back(centred), features())


def test_distances_keep_their_proportions():
    centring = Centring(3).double()
    centring.fit(features(), 1.0)
    ratio = torch.pdist(centring(features())) / torch.pdist(features())
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))


def test_features_that_never_vary_stay_finite():
    centring = Centring(3)
    centring.fit(torch.ones(4, 3), 1.0)
    assert bool(centring(torch.ones(4, 3)).eq(0).all())


def test_what_it_learned_is_stored_with_it():
    fitted, loaded = Centring(3).double(), Centring(3).double()
    fitted.fit(features(), 2.0)
    loaded.load_state_dict(fitted.state_dict())
    assert torch.equal(loaded(features()), fitted(features()))
