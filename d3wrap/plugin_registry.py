"""What a plugin registers, checked when it does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from d3wrap.errors import did_you_mean
from d3wrap.plugin_hooks import Implementation
from d3wrap.specs import (
    AdapterSpec,
    BackboneSettings,
    EncoderSettings,
    EncoderSpec,
    GeneratorSpec,
    ObjectiveSpec,
)

Spec = GeneratorSpec | AdapterSpec | ObjectiveSpec | EncoderSpec
KINDS: dict[str, type[Spec]] = {
    "register_adapters": AdapterSpec,
    "register_encoders": EncoderSpec,
    "register_generators": GeneratorSpec,
    "register_objectives": ObjectiveSpec,
}
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def registered_by(found: Iterable[Implementation]) -> list[Spec]:
    """Call a plugin's ``register_…`` hooks and return the specs it gave; raises :class:`PluginError`."""
    specs: list[Spec] = []
    for one in found:
        if one.hook in KINDS:
            given: list[object] = []
            one.call({"register": given.append})
            for spec in given:
                if fault := _fault(spec, KINDS[one.hook]):
                    raise one.error(fault)
            specs += given  # type: ignore[arg-type]
    return specs


def _fault(spec: object, kind: type[Spec]) -> str | None:
    if not isinstance(spec, kind):
        return f"register() takes a {kind.__name__}, found {type(spec).__name__}"
    if not isinstance(spec.name, str) or not _NAME.fullmatch(spec.name):
        return f"the name {spec.name!r} must be lower-case letters, digits, '_', '-' or '.'"
    if not callable(spec.build):
        return f"{spec.name}: build must be callable, found {type(spec.build).__name__}"
    if isinstance(spec, GeneratorSpec):
        return _settings_fault(spec)
    if isinstance(spec, EncoderSpec):
        return _encoder_fault(spec)
    return None


def _settings_fault(spec: GeneratorSpec) -> str | None:
    kind = spec.settings
    if not (isinstance(kind, type) and issubclass(kind, BackboneSettings) and dataclasses.is_dataclass(kind)):
        return f"{spec.name}: settings must be a dataclass derived from BackboneSettings, found {kind!r}"
    names = [field.name for field in dataclasses.fields(kind)]
    for name in spec.search:
        if name not in names:
            return f"{spec.name}: search names {name!r}, which {kind.__name__} does not have{did_you_mean(name, names)}"
    if not spec.presets:
        return f"{spec.name}: presets is empty; give at least {{'small': {kind.__name__}(...)}}"
    for preset, settings in spec.presets.items():
        if not isinstance(settings, kind):
            return f"{spec.name}: preset {preset!r} must be a {kind.__name__}, found {type(settings).__name__}"
    return None


def _encoder_fault(spec: EncoderSpec) -> str | None:
    kind = spec.settings
    if not (isinstance(kind, type) and issubclass(kind, EncoderSettings) and dataclasses.is_dataclass(kind)):
        return f"{spec.name}: settings must be a dataclass derived from EncoderSettings, found {kind!r}"
    names = [field.name for field in dataclasses.fields(kind)]
    for name in spec.required:
        if name not in names:
            return f"{spec.name}: required has {name!r}, which {kind.__name__} does not have{did_you_mean(name, names)}"
    return None
