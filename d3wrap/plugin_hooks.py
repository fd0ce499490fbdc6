"""Find the hooks a plugin implements, and refuse those that would be skipped or called wrongly."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from d3wrap import hookspecs
from d3wrap.errors import D3WrapError, PluginError, did_you_mean

PROJECT = "d3wrap"


def _specified() -> dict[str, tuple[str, ...]]:
    manager = pluggy.PluginManager(PROJECT)
    return {
        name: tuple(inspect.signature(value).parameters)
        for name, value in vars(hookspecs).items()
        if manager.parse_hookspec_opts(hookspecs, name) is not None
    }


HOOKS: Mapping[str, tuple[str, ...]] = _specified()
"""Every hook's name and the names of its arguments."""


@dataclass(frozen=True)
class Implementation:
    """One plugin's function for one hook; ``arguments`` are those it names, ``rank`` orders tryfirst/trylast."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    rank: int

    @property
    def order(self) -> tuple[int, str]:
        """Key that sorts implementations of one hook independently of the order of registration."""
        return self.rank, self.plugin

    def call(self, given: Mapping[str, Any]) -> Any:
        """Call with the arguments it names; raises :class:`PluginError` that names plugin and hook."""
        try:
            return self.function(*[given[name] for name in self.arguments])
        except D3WrapError as error:
            raise self.error(str(error)) from error
        except Exception as error:
            raise self.error(f"{type(error).__name__}: {error}") from error

    def error(self, message: str) -> PluginError:
        """Return the error to raise about this implementation."""
        return PluginError(f"plugin {self.plugin!r}, hook {self.hook}: {message}")


def implementations(name: str, plugin: object) -> list[Implementation]:
    """Return what ``plugin`` (a module or an object) marks with ``@hookimpl``, sorted by hook.

    Raises :class:`PluginError`, with the plugin, the hook and what to write: for a hook that does not exist, an
    argument the hook does not have, an argument with a default or of another kind that pluggy does not pass, a
    hook wrapper, one hook implemented twice, and a plugin without any hook.
    """
    # A manager of its own for each plugin: what is wrong is this plugin's fault. It knows no specification, so
    # that pluggy collects everything that is marked and the errors can be ours.
    manager = pluggy.PluginManager(PROJECT)
    manager.register(plugin, name)
    found: dict[str, Implementation] = {}
    for caller in sorted(manager.get_hookcallers(plugin) or (), key=lambda caller: caller.name):
        for hook in caller.get_hookimpls():
            if caller.name in found:
                raise PluginError(f"plugin {name!r} implements hook {caller.name} twice; merge the two")
            found[caller.name] = _checked(name, caller.name, hook)
    if not found:
        forgotten = [hook for hook in HOOKS if callable(getattr(plugin, hook, None))]
        raise PluginError(
            f"plugin {name!r} implements no hook; put @d3wrap.hookimpl above {', '.join(forgotten) or 'one'}"
        )
    return list(found.values())


def _checked(plugin: str, hook: str, found: pluggy.HookImpl) -> Implementation:
    if hook not in HOOKS:
        raise PluginError(f"plugin {plugin!r}: there is no hook {hook!r}{did_you_mean(hook, HOOKS)}")
    rank = -1 if found.tryfirst else 1 if found.trylast else 0
    implementation = Implementation(plugin, hook, found.function, tuple(found.argnames), rank)
    correct = f"write def {hook}({', '.join(HOOKS[hook])})"
    if found.wrapper or found.hookwrapper:
        raise implementation.error("hook wrappers are not supported; use tryfirst or trylast")
    for argument in inspect.signature(found.function).parameters.values():
        if argument.name in HOOKS[hook] and argument.default is not argument.empty:
            raise implementation.error(
                f"argument {argument.name!r} has a default, so it would not be passed; {correct}"
            )
        if argument.name not in HOOKS[hook]:
            raise implementation.error(
                f"unknown argument {argument.name!r}{did_you_mean(argument.name, HOOKS[hook])}; {correct}"
            )
        if argument.name not in found.argnames:
            raise implementation.error(f"argument {argument.name!r} must be a plain one; {correct}")
    return implementation
