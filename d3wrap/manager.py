"""Load plugins one by one and answer for what they registered."""

from __future__ import annotations

import importlib.metadata
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from d3wrap.errors import MissingExtraError, PluginError, did_you_mean
from d3wrap.frozen import RESULTS, FrozenHook
from d3wrap.plugin_discovery import ENCODERS, GROUP, LOGGERS, VARIABLE, distribution_of, entry_points, select
from d3wrap.plugin_hooks import Implementation, implementations
from d3wrap.plugin_registry import Spec, registered_by
from d3wrap.specs import AdapterSpec, EncoderSpec, GeneratorSpec, ObjectiveSpec

SpecType = TypeVar("SpecType", GeneratorSpec, AdapterSpec, ObjectiveSpec, EncoderSpec)


class PluginWarning(UserWarning):
    """A plugin could not be loaded and is left out."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin, the hooks it implements and what it registered."""

    name: str
    plugin: object
    hooks: tuple[Implementation, ...]
    specs: tuple[Spec, ...]


class Plugins:
    """The loaded plugins and what they registered, by name and sorted.

    Raises :class:`PluginError` where two plugins register the same name.
    """

    def __init__(self, loaded: Iterable[LoadedPlugin], unavailable: Mapping[str, str]) -> None:
        self._loaded = {plugin.name: plugin for plugin in sorted(loaded, key=lambda plugin: plugin.name)}
        self._unavailable = dict(unavailable)
        self.generators = self._specs(GeneratorSpec, "generator")
        self.adapters = self._specs(AdapterSpec, "adapter")
        self.objectives = self._specs(ObjectiveSpec, "objective")
        self.encoders = self._specs(EncoderSpec, "encoder")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded plugins."""
        return tuple(self._loaded)

    def plugin(self, name: str) -> LoadedPlugin:
        """Return a loaded plugin."""
        return self._find("plugin", self._loaded, name)

    def generator(self, name: str) -> GeneratorSpec:
        """Return a registered generator."""
        return self._find("generator", self.generators, name)

    def adapter(self, name: str) -> AdapterSpec:
        """Return a registered adapter."""
        return self._find("adapter", self.adapters, name)

    def objective(self, name: str) -> ObjectiveSpec:
        """Return a registered objective."""
        return self._find("objective", self.objectives, name)

    def encoder(self, name: str) -> EncoderSpec:
        """Return a registered text encoder."""
        return self._find("encoder", self.encoders, name)

    def freeze(self, hook: str, extra: Mapping[str, object] | None = None) -> FrozenHook:
        """Return a hook of all loaded plugins and of ``extra``, objects with ``@hookimpl`` methods by name.

        ``hook`` is ``on_generate``, ``on_batch``, ``on_classifier_step``, ``on_run_start``, ``on_log`` or
        ``on_run_end``.
        """
        if hook not in RESULTS:
            raise PluginError(f"{hook!r} is not a hook of the training loop or of runs{did_you_mean(hook, RESULTS)}")
        found = [one for plugin in self._loaded.values() for one in plugin.hooks]
        found += [one for name, plugin in (extra or {}).items() for one in implementations(name, plugin)]
        return FrozenHook(hook, (one for one in found if one.hook == hook))

    def _specs(self, kind: type[SpecType], word: str) -> Mapping[str, SpecType]:
        owners: dict[str, str] = {}
        specs: dict[str, SpecType] = {}
        for plugin in self._loaded.values():
            for spec in plugin.specs:
                if isinstance(spec, kind):
                    if spec.name in owners:
                        remedy = f"block one, e.g. {VARIABLE}=-{plugin.name}"
                        raise PluginError(
                            f"{word} {spec.name!r} is registered by plugin {owners[spec.name]!r} and by plugin "
                            f"{plugin.name!r}; {'uninstall one' if kind is EncoderSpec else remedy}"
                        )
                    owners[spec.name], specs[spec.name] = plugin.name, spec
        return MappingProxyType(dict(sorted(specs.items())))

    def _find(self, word: str, known: Mapping[str, Any], name: str) -> Any:
        if name in known:
            return known[name]
        if name in self._unavailable:
            raise PluginError(f"no {word} {name!r}: plugin {name!r} is {self._unavailable[name]}")
        raise PluginError(f"no {word} is called {name!r}{did_you_mean(name, known)}")


def load_plugins(
    *,
    environ: Mapping[str, str] = os.environ,
    block: Iterable[str] = (),
    extra: Mapping[str, object] | None = None,
    group: str = GROUP,
) -> Plugins:
    """Load the installed plugins of a group that ``D3WRAP_PLUGINS`` and ``block`` leave, and ``extra`` ones by name.

    An installed plugin that is broken gives a :class:`PluginWarning` and is left out. Raises
    :class:`PluginError` for a broken one in ``extra`` and for a name that is given twice, ``ConfigError`` for a
    name in ``D3WRAP_PLUGINS`` or ``block`` that nothing has.
    """
    points: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in entry_points(group):
        points.setdefault(point.name, []).append(point)
    given = dict(extra or {})
    selection = select(environ, block, {*points, *given})
    loaded: list[LoadedPlugin] = []
    unavailable: dict[str, str] = {}
    for name, same_name in points.items():
        if fault := selection.fault(name):
            unavailable[name] = fault
            continue
        _refuse_double(name, [*map(distribution_of, same_name), *(["extra"] if name in given else [])], group)
        try:
            loaded.append(_load(name, same_name[0]))
        except PluginError as error:
            unavailable[name] = f"broken: {error}"
            owner = distribution_of(same_name[0])
            remedy = f"pip uninstall {owner} removes it"
            if group == GROUP:
                remedy = f"{VARIABLE}=-{name} blocks it, {remedy}"
            warnings.warn(PluginWarning(f"{error} (from {owner}; {remedy})"), stacklevel=2)
    for name, plugin in given.items():
        if name not in selection.blocked_by_caller | selection.blocked_by_environment:
            loaded.append(_examined(name, plugin))
    return Plugins(loaded, unavailable)


def load_encoders(extra: Mapping[str, object] | None = None) -> Plugins:
    """Load the text encoders: the plugins of the group ``d3wrap.encoders``, and ``extra`` ones by name.

    ``D3WRAP_PLUGINS`` says what runs load, so it does not count here. Raises as :func:`load_plugins` does.
    """
    return load_plugins(environ={}, extra=extra, group=ENCODERS)


def load_plugin(name: str, groups: Iterable[str] = (GROUP, LOGGERS, ENCODERS)) -> LoadedPlugin:
    """Load one installed plugin, whatever ``D3WRAP_PLUGINS`` says; raises :class:`PluginError` if it is broken."""
    points = [point for group in groups for point in entry_points(group)]
    same_name = [point for point in points if point.name == name]
    if not same_name:
        raise PluginError(f"no plugin is called {name!r}{did_you_mean(name, {point.name for point in points})}")
    _refuse_double(name, [distribution_of(point) for point in same_name], same_name[0].group)
    return _load(name, same_name[0])


def _refuse_double(name: str, owners: list[str], group: str) -> None:
    if len(owners) > 1:
        block = f", or block both with {VARIABLE}=-{name}" if group == GROUP else ""
        raise PluginError(f"plugin {name!r} comes from {' and from '.join(owners)}; uninstall or rename one{block}")


def _load(name: str, point: importlib.metadata.EntryPoint) -> LoadedPlugin:
    try:
        plugin = point.load()
        if point.group == LOGGERS and isinstance(plugin, type):
            plugin = plugin()
    except (Exception, SystemExit) as error:
        if point.group == LOGGERS and isinstance(error, MissingExtraError):
            raise  # it says what to type
        raise PluginError(f"plugin {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    examined = _examined(name, plugin)
    for one in examined.hooks:
        if (one.hook == "register_encoders") != (point.group == ENCODERS):
            raise one.error(
                f"a plugin of the group {ENCODERS} implements register_encoders and nothing else, and no other "
                "does, so that no run loads encoders; put them into a module of their own"
            )
    return examined


def _examined(name: str, plugin: object) -> LoadedPlugin:
    hooks = implementations(name, plugin)
    return LoadedPlugin(name, plugin, tuple(hooks), tuple(registered_by(hooks)))
