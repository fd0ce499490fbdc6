"""What is searched where nobody says: a few settings of the generator, and the numbers of D³ that act."""

from __future__ import annotations

from typing import Any, TypeGuard

from d3wrap.errors import ConfigError
from d3wrap.manager import Plugins
from d3wrap.specs import GeneratorSpec
from d3wrap.tuning.space import D3, GENERATOR, Settings, Space
from d3wrap.tuning.values import Range, Values

DIGITS = 3
"""Significant digits of a default range's ends."""


def filled_space(given: Space, settings: Settings, spec: GeneratorSpec, plugins: Plugins) -> dict[str, Values]:
    """Return ``given`` with the default space of the generator, of D³, or of both where it names nothing of them.

    Raises :class:`~d3wrap.errors.ConfigError` where the generator then has nothing to search: the baseline would have
    no budget.
    """
    parts = {key.split(".", 1)[0] for key in given}
    space = dict(given)
    if GENERATOR not in parts:
        space |= generator_space(settings, spec)
    if D3 not in parts:
        space |= d3_space(settings, plugins)
    if not any(key.startswith(f"{GENERATOR}.") for key in space):
        raise ConfigError(
            f"--search: the generator {spec.name!r} does not say what to search, so the baseline would have nothing; "
            f"name a setting of it, e.g. --search {GENERATOR}.batch_size=32..256:log"
        )
    return space


def generator_space(settings: Settings, spec: GeneratorSpec) -> dict[str, Values]:
    """Return the settings its plugin names, each from a quarter to four times what it is.

    One that is not above 0 is left out: it switches something off.
    """
    found = {f"{GENERATOR}.{name}": getattr(settings.generator, name, None) for name in spec.search or ("lr",)}
    return {key: _around(value, 1 / 4, 4) for key, value in found.items() if _above_zero(value)}


def d3_space(settings: Settings, plugins: Plugins) -> dict[str, Values]:
    """Return what acts of D³'s numbers: how far it pulls the generator, how much ID²SD counts, α and τ.

    What has no effect with the switches as they are, or belongs to an objective that is blocked, is left out.
    """
    d3, factors = settings.d3, dict[str, tuple[float, float]]()
    id2sd, o2dbd = (name in plugins.objectives for name in ("id2sd", "o2dbd"))
    # ID²SD is over real features, so that of the two O²DBD alone reaches the generator.
    if d3.gradient_share and (o2dbd or d3.generator_weight("classify")):
        factors[f"{D3}.gradient_share"] = (1 / 10, 3)
    elif o2dbd:
        factors[f"{D3}.generator_weights.o2dbd"] = (1 / 100, 100)
    if id2sd:
        factors[f"{D3}.student_weights.id2sd"] = (1 / 10, 10)
    if d3.scaled_similarity and (id2sd or o2dbd):
        factors[f"{D3}.alpha"] = (1 / 4, 4)
    if d3.single_softmax and id2sd:
        factors[f"{D3}.temperature"] = (1 / 2, 4)
    now = {key: settings.value(key) for key in factors}
    return {key: _around(now[key], *factors[key]) for key in factors if _above_zero(now[key])}


def _above_zero(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _around(value: float, low: float, high: float) -> Range:
    """Return what lies between two multiples of ``value``, on a logarithmic scale."""
    if isinstance(value, int):
        return Range(max(1, round(value * low)), max(2, round(value * high)), log=True)
    return Range(_rounded(value * low), _rounded(value * high), log=True)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
