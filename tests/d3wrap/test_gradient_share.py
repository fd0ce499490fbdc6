"""How far D³ pulls is the generator's to say, unless the settings say it."""

from __future__ import annotations

import pytest

import d3wrap
from d3wrap.comparison.run import Plan, describe
from d3wrap.generator import LIKELIHOOD_SHARE
from d3wrap.manager import load_plugins
from d3wrap.settings import GRADIENT_SHARE, D3Settings

PLUGINS = load_plugins(environ={})


@pytest.mark.parametrize(
    ("generator", "settings", "share"),
    [
        ("clswgan", {}, GRADIENT_SHARE),
        ("cvae", {}, LIKELIHOOD_SHARE),
        ("gsmflow", {}, LIKELIHOOD_SHARE),
        ("cvae", {"gradient_share": 0.3}, 0.3),
        ("cvae", {"gradient_share": 0.0}, 0.0),
        ("cvae", {"formulation": "released"}, 0.0),
    ],
)
def test_a_likelihood_is_pulled_less_than_a_gan(generator, settings, share):
    if generator == "gsmflow":
        pytest.importorskip("FrEIA")
    dataset = d3wrap.synthetic(6, 2, 8, 4, 10)
    backbone = d3wrap.build_generator(generator, dataset, plugins=PLUGINS)
    assert d3wrap.enhance(backbone, dataset, plugins=PLUGINS, **settings).settings.gradient_share == share
    plan = Plan(generator, d3=D3Settings(**settings))
    recorded = describe(plan, dataset, "enhanced", 0, backbone, PLUGINS)
    assert recorded["config"]["d3"]["gradient_share"] == share


def test_a_generator_that_says_nothing_is_pulled_as_a_gan_is():
    class Own:
        def generate(self, semantics, *, rng=None):
            return semantics

        def parameters(self):
            return []

    dataset = d3wrap.synthetic(6, 2, 8, 4, 10)
    assert d3wrap.enhance(Own(), dataset, plugins=PLUGINS).settings.gradient_share == GRADIENT_SHARE
