"""A search space: values by key, checked against the settings that they are to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from typing import Any, get_args

from d3wrap.comparison.run import Arm, Plan
from d3wrap.config import Override, apply_overrides
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.manager import Plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import BackboneSettings
from d3wrap.tuning.values import OneOf, Range, Values, parse_values

ARMS: tuple[Arm, ...] = get_args(Arm)
GENERATOR, D3 = "set", "d3"
"""What a key begins with: ``set.lr`` is a setting of the generator, ``d3.alpha`` one of D³."""
WEIGHTS = ("student_weights", "generator_weights", "classifier_weights")

Space = Mapping[str, Values]
Parameters = Mapping[str, Any]
"""A value for each key of a space."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a search starts from: the generator's settings, and D³'s with nothing left open.

    ``optional`` are the objectives that take part only where a weight names them.
    """

    generator: BackboneSettings
    d3: D3Settings
    optional: Set[str] = frozenset()

    def value(self, key: str) -> Any:
        """Return what ``key`` is now; a term's weight is what it stands for where it is not named."""
        part, name = key.split(".", 1)
        if part == GENERATOR:
            return getattr(self.generator, name)
        field, dot, term = name.partition(".")
        if dot and term.partition("/")[0] in self.optional - self.d3.weighted:
            return 0.0
        return getattr(self.d3, field.removesuffix("s"))(term) if dot else getattr(self.d3, name)

    def changed(self, key: str, value: Any, where: str) -> Settings:
        """Return the settings with one value changed; raises ``ConfigError`` where it does not fit."""
        part, name = key.split(".", 1)
        if part == GENERATOR:
            return dataclasses.replace(self, generator=apply_overrides(self.generator, [Override(name, value, where)]))
        return dataclasses.replace(self, d3=change_d3(self.d3, name, value, where))


def change_d3(settings: D3Settings, name: str, value: Any, where: str) -> D3Settings:
    """Return D³'s settings with one field changed, or with ``WEIGHTS.TERM`` one weight of a field."""
    field, dot, term = name.partition(".")
    if dot:
        value = {**getattr(settings, field), term: value}
    return apply_overrides(settings, [Override(field, value, where)])


def read_space(given: Sequence[Override], settings: Settings, plugins: Plugins) -> dict[str, Values]:
    """Return the space that ``--search`` options or a file's mapping describe, with values of the settings' own types.

    Raises :class:`~d3wrap.errors.ConfigError` that names the option or the line: a key unknown or given twice, values
    that are not written as values, of another type, or refused by the settings.
    """
    space: dict[str, Values] = {}
    for key, value, where in _flat(given):
        _check_key(key, where, settings, plugins)
        if key in space:
            raise ConfigError(f"{where}: given twice")
        space[key] = _fitted(key, parse_values(value, where), where, settings)
    return space


def of_arm(space: Space, arm: Arm) -> dict[str, Values]:
    """Return what an arm searches, the generator's settings first: the baseline has nothing of D³."""
    generator = {key: values for key, values in space.items() if key.startswith(f"{GENERATOR}.")}
    return generator if arm == "baseline" else {**generator, **space}


def with_parameters(plan: Plan, parameters: Parameters) -> Plan:
    """Return the plan with these settings changed, in any key's order."""
    own = {key.split(".", 1)[1]: value for key, value in parameters.items() if key.startswith(f"{GENERATOR}.")}
    d3 = plan.d3
    for key, value in parameters.items():
        part, name = key.split(".", 1)
        if part == D3:
            d3 = change_d3(d3, name, value, key)
    if isinstance(plan.settings, Mapping):
        return dataclasses.replace(plan, settings={**plan.settings, **own}, d3=d3)
    changes = [Override(name, value, f"{GENERATOR}.{name}") for name, value in own.items()]
    return dataclasses.replace(plan, settings=(*plan.settings, *changes), d3=d3)


def _flat(given: Sequence[Override]) -> list[Override]:
    """Return nested mappings as dotted keys: ``{set: {lr: …}}`` in a file is ``set.lr``."""
    flat: list[Override] = []
    for key, value, where in given:
        if isinstance(value, Mapping):
            flat += _flat([Override(f"{key}.{name}", item, f"{where}.{name}") for name, item in value.items()])
        else:
            flat.append(Override(key, value, where))
    return flat


def _check_key(key: str, where: str, settings: Settings, plugins: Plugins) -> None:
    fields = {
        GENERATOR: [field.name for field in dataclasses.fields(settings.generator)],
        D3: [field.name for field in dataclasses.fields(settings.d3) if field.name not in WEIGHTS],
    }
    terms = [name for spec in plugins.objectives.values() for name in (f"{spec.name}/{term}" for term in spec.terms)]
    terms += [name for hook in ("on_batch", "on_classifier_step") for name in plugins.freeze(hook).plugins]
    terms = list(dict.fromkeys([*plugins.objectives, *terms]))
    known = [f"{part}.{name}" for part, names in fields.items() for name in names]
    known += [f"{D3}.{weights}.{term}" for weights in WEIGHTS for term in terms]
    if key not in known:
        raise ConfigError(
            f"{where}: expected {GENERATOR}.KEY for a setting of the generator, {D3}.KEY or {D3}.WEIGHTS.TERM for one "
            f"of D³, found {key!r}{_nearest(key, known)}"
        )


def _nearest(key: str, known: Sequence[str]) -> str:
    """Return the end of the message about an unknown key: of its own part, or with the part that it lacks."""
    own = [name for name in known if name.split(".")[0] == key.split(".")[0]]
    lacking = [name for name in known if name.split(".", 1)[1] == key]
    return f"; did you mean {lacking[0]!r}?" if lacking else did_you_mean(key, own or known)


def _fitted(key: str, values: Values, where: str, settings: Settings) -> Values:
    """Return values as the setting's type holds them: whole numbers become floats where it is one."""
    fitted = [settings.changed(key, value, where).value(key) for value in values.samples]
    try:
        if isinstance(values, OneOf):
            return OneOf(tuple(fitted))
        return Range(fitted[0], fitted[1], values.log)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
