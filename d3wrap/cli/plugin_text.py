"""A loaded plugin in words."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

from d3wrap.manager import LoadedPlugin
from d3wrap.plugin_registry import Spec
from d3wrap.specs import EncoderSpec, GeneratorSpec, ObjectiveSpec


def describe_plugin(loaded: LoadedPlugin) -> str:
    """Return what a plugin registers, and each hook it implements with its place and docstring."""
    lines = [f"plugin {loaded.name}"]
    for spec in loaded.specs:
        lines += ["", *_spec_lines(spec)]
    lines += ["", "hooks"]
    for hook in loaded.hooks:
        function = inspect.unwrap(hook.function)
        place = f"{inspect.getsourcefile(function)}:{inspect.getsourcelines(function)[1]}"
        lines += [f"  {hook.hook}({', '.join(hook.arguments)})  {place}"]
        lines += [f"    {line}" for line in (inspect.getdoc(function) or "no docstring").splitlines()]
    return "\n".join(lines)


def _spec_lines(spec: Spec) -> Iterator[str]:
    kind = type(spec).__name__.removesuffix("Spec").lower()
    yield f"{kind} {spec.name}: {spec.summary}"
    if isinstance(spec, ObjectiveSpec):
        yield f"  terms: {', '.join(spec.terms) or 'none declared'}"
    if isinstance(spec, GeneratorSpec):
        yield f"  family: {spec.family}"
        yield f"  reference: {spec.reference}"
        if spec.search:
            yield f"  search: {', '.join(spec.search)}"
        yield "  settings:"
        for field in dataclasses.fields(spec.settings):
            yield f"    {field.name}: {_type(spec.settings, field)} ({', '.join(_values(spec, field.name))})"
    if isinstance(spec, EncoderSpec):
        yield f"  reference: {spec.reference}"
        yield "  settings:"
        for field in dataclasses.fields(spec.settings):
            default = "must be given" if field.name in spec.required else repr(field.default)
            yield f"    {field.name}: {_type(spec.settings, field)} ({default})"


def _type(settings: type[Any], field: dataclasses.Field[Any]) -> str:
    """Return a setting's type as its class says it; of a choice the values themselves."""
    kind = get_type_hints(settings)[field.name]
    return "|".join(map(str, get_args(kind))) if get_origin(kind) is Literal else str(field.type)


def _values(spec: GeneratorSpec, field: str) -> Iterator[str]:
    """Yield a setting's value in each preset; in a preset for one dataset only where it differs."""
    for name, preset in spec.presets.items():
        value = getattr(preset, field)
        general = spec.presets.get(name.partition("/")[0], preset)
        if general is preset or value != getattr(general, field):
            yield f"{name} {value!r}"
