"""Plugins that are told how runs go, and change nothing of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d3wrap.errors import ConfigError, PluginError, did_you_mean
from d3wrap.manager import load_plugin
from d3wrap.plugin_discovery import LOGGERS, entry_points

RUN_HOOKS = ("on_run_start", "on_log", "on_run_end")


@dataclass(frozen=True)
class LoggedRun:
    """The run a logger is told of.

    ``folder`` is where the run leaves everything; ``manifest`` says what it is made of, as ``manifest.json`` holds it
    (``docs/results.md``).
    """

    folder: Path
    manifest: Mapping[str, Any]


def load_loggers(names: Iterable[str]) -> dict[str, object]:
    """Load installed loggers, plugins of the group ``d3wrap.loggers``; where one is a class, an object of it is made.

    Raises :class:`~d3wrap.errors.ConfigError` for a name that none has, :class:`~d3wrap.errors.PluginError` for one
    that is broken or implements a hook that could change a run, and :class:`~d3wrap.errors.MissingExtraError` where
    one needs what is not installed.
    """
    known = {point.name for point in entry_points(LOGGERS)}
    loggers: dict[str, object] = {}
    for name in names:
        if name not in known:
            raise ConfigError(f"--log-to: no logger is called {name!r}{did_you_mean(name, known)}")
        loaded = load_plugin(name, (LOGGERS,))
        for one in loaded.hooks:
            if one.hook not in RUN_HOOKS:
                raise PluginError(
                    f"plugin {name!r}, hook {one.hook}: a logger changes nothing of a run, so it may implement "
                    f"{', '.join(RUN_HOOKS)} only; put the others into a plugin of the group d3wrap"
                )
        loggers[name] = loaded.plugin
    return loggers
