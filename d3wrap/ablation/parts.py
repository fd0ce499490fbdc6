"""What takes part in D³ training on a generator, and how to leave one of it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from d3wrap.comparison.run import Plan
from d3wrap.manager import LoadedPlugin, Plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import ObjectiveSpec

WEIGHTS = ("student_weights", "generator_weights", "classifier_weights")
LOSSES = ("on_batch", "on_classifier_step")
HOOKS = ("on_generate", *LOSSES)
"""Hooks by which a plugin without an objective takes part in training all the same."""


@dataclass(frozen=True)
class Part:
    """An objective, or a plugin with hooks of its own, that can be left out.

    ``blocked`` says that its plugin is blocked for that, so that nothing of it is there; where the plugin registers
    something else too, which must stay, its terms weigh 0 instead.
    """

    name: str
    plugin: str
    terms: Sequence[str] = ()
    optional: bool = False
    blocked: bool = True
    weighs: bool = True
    """Whether it gives losses, which a weight may name."""


def parts_of(plan: Plan, plugins: Plugins) -> list[Part]:
    """Return what takes part in the training that ``plan`` describes, by name."""
    found = [
        _objective(plugin, spec)
        for plugin in map(plugins.plugin, plugins.names)
        for spec in plugin.specs
        if isinstance(spec, ObjectiveSpec) and _takes_part(spec, plan.d3)
    ]
    found += [
        Part(plugin.name, plugin.name, weighs=any(hook.hook in LOSSES for hook in plugin.hooks))
        for plugin in map(plugins.plugin, plugins.names)
        if not plugin.specs and any(hook.hook in HOOKS for hook in plugin.hooks)
    ]
    return sorted(found, key=lambda part: part.name)


def _objective(plugin: LoadedPlugin, spec: ObjectiveSpec) -> Part:
    alone = plugin.specs == (spec,)
    return Part(spec.name, plugin.name, spec.terms, spec.optional, blocked=alone, weighs=bool(spec.terms))


def _takes_part(spec: ObjectiveSpec, d3: D3Settings) -> bool:
    """Say whether a weight of it is above 0 anywhere; an optional one must be named for that."""
    if spec.optional and spec.name not in d3.weighted:
        return False
    terms = [f"{spec.name}/{term}" for term in spec.terms] or [spec.name]
    weights = (d3.student_weight, d3.generator_weight, d3.classifier_weight)
    return any(weight(term) > 0 for weight in weights for term in terms)


def without(plan: Plan, left_out: Collection[Part]) -> Plan:
    """Return the plan with some parts left out, as if they did not exist."""
    d3 = plan.d3
    for part in left_out:
        names = {part.name, *(f"{part.name}/{term}" for term in part.terms)}
        for field in WEIGHTS:
            kept = {name: value for name, value in getattr(d3, field).items() if name not in names}
            # An optional objective that nothing names takes no part; any other must be told.
            told = part.weighs and not part.blocked and not part.optional
            silenced: Mapping[str, float] = {part.name: 0.0} if told else {}
            changed: dict[str, Any] = {field: {**kept, **silenced}}
            d3 = replace(d3, **changed)
    blocked = {part.plugin for part in left_out if part.blocked}
    return replace(plan, d3=d3, block=(*plan.block, *sorted(blocked - set(plan.block))))
