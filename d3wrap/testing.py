"""Contract checks for the tests of plugins, ours and anybody's; ``d3wrap plugins check`` runs the same."""

from __future__ import annotations

from collections.abc import Iterable

from d3wrap.contract import Check
from d3wrap.contract_encoder import encoder_checks
from d3wrap.contract_generator import generator_checks
from d3wrap.contract_objective import objective_checks
from d3wrap.data import GZSLDataset
from d3wrap.errors import PluginError
from d3wrap.specs import EncoderSettings, EncoderSpec, GeneratorSpec, ObjectiveSpec


def check_generator(spec: GeneratorSpec, dataset: GZSLDataset | None = None) -> list[str]:
    """Build preset ``small`` on ``dataset`` (default: a small synthetic one) and check what every generator must do.

    Returns the names of the checks; raises :class:`~d3wrap.errors.PluginError` listing every one that fails.
    """
    return _all_passed(f"generator {spec.name!r}", generator_checks(spec, dataset))


def check_objective(spec: ObjectiveSpec, dataset: GZSLDataset | None = None) -> list[str]:
    """Build an objective on ``dataset`` (default: a small synthetic one) and check what every objective must do.

    Returns the names of the checks; raises :class:`~d3wrap.errors.PluginError` listing every one that fails.
    """
    return _all_passed(f"objective {spec.name!r}", objective_checks(spec, dataset))


def check_encoder(spec: EncoderSpec, settings: EncoderSettings | None = None) -> list[str]:
    """Build an encoder with ``settings`` (default: its own) and check what every text encoder must do.

    Returns the names of the checks; raises :class:`~d3wrap.errors.PluginError` listing every one that fails.
    """
    return _all_passed(f"encoder {spec.name!r}", encoder_checks(spec, settings))


def _all_passed(what: str, checks: Iterable[Check]) -> list[str]:
    done = list(checks)
    faults = [f"{check.name}: {check.fault}" for check in done if check.fault]
    if faults:
        raise PluginError("\n".join([f"{what} breaks its contract", *faults]))
    return [check.name for check in done]
