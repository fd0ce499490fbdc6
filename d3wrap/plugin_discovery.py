"""Which plugins are installed and which of them to load, without importing any."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from d3wrap.errors import ConfigError, did_you_mean

GROUP = "d3wrap"
LOGGERS = "d3wrap.loggers"
"""Plugins that are loaded only when a run is to be logged to them."""
ENCODERS = "d3wrap.encoders"
"""Plugins that are loaded only when texts are encoded: no run loads or records them."""
_ON_REQUEST = {LOGGERS: "with --log-to {}", ENCODERS: "with semantics build"}
VARIABLE = "D3WRAP_PLUGINS"


@dataclass(frozen=True)
class InstalledPlugin:
    """An entry point of the group ``d3wrap``, ``d3wrap.loggers`` or ``d3wrap.encoders``.

    ``target`` is what loading it imports.
    """

    name: str
    distribution: str
    version: str
    target: str
    status: str


@dataclass(frozen=True)
class Selection:
    """Which plugins to load: those ``allowed`` (``None``: all) by the environment and not blocked."""

    allowed: frozenset[str] | None
    blocked_by_environment: frozenset[str]
    blocked_by_caller: frozenset[str]

    def fault(self, name: str) -> str | None:
        """Return why an installed plugin is not to be loaded, or ``None``."""
        if name in self.blocked_by_caller:
            return "blocked"
        if name in self.blocked_by_environment or (self.allowed is not None and name not in self.allowed):
            return f"blocked by {VARIABLE}"
        return None


def entry_points(group: str = GROUP) -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of a group sorted by name; their own order is the file system's."""
    found = importlib.metadata.entry_points(group=group)
    return sorted(found, key=lambda point: (point.name, distribution_of(point)))


def distribution_of(point: importlib.metadata.EntryPoint) -> str:
    """Return the name of the distribution that declares an entry point."""
    return point.dist.name if point.dist is not None else "unknown"


def installed_plugins(environ: Mapping[str, str] = os.environ) -> tuple[InstalledPlugin, ...]:
    """Return what is installed, sorted by name, loggers and encoders last.

    Raises ``ConfigError`` for a bad ``D3WRAP_PLUGINS``.
    """
    points = entry_points()
    selection = select(environ, (), {point.name for point in points})
    return tuple(
        InstalledPlugin(
            point.name,
            distribution_of(point),
            point.dist.version if point.dist is not None else "unknown",
            point.value,
            _ON_REQUEST.get(point.group, "").format(point.name) or selection.fault(point.name) or "enabled",
        )
        for point in [*points, *entry_points(LOGGERS), *entry_points(ENCODERS)]
    )


def select(environ: Mapping[str, str], block: Iterable[str], known: Collection[str]) -> Selection:
    """Read ``D3WRAP_PLUGINS`` (``a,b`` allows just these, ``-a,-b`` all but these) and the caller's ``block``.

    An empty variable counts as unset. Raises ``ConfigError`` for names that are not ``known`` and for a mix.
    """
    words = _split(environ.get(VARIABLE, ""))
    blocked = [word.removeprefix("-") for word in words if word.startswith("-")]
    allowed = [word for word in words if not word.startswith("-")]
    if blocked and allowed:
        raise ConfigError(
            f"{VARIABLE} mixes plugins to load ({', '.join(allowed)}) with plugins to block "
            f"({', '.join(blocked)}); name one kind only"
        )
    by_caller = [word for item in block for word in _split(item)]
    for names, source in ((blocked + allowed, VARIABLE), (by_caller, "block")):
        for name in names:
            if name not in known:
                raise ConfigError(f"{source}: no plugin is called {name!r}{did_you_mean(name, known)}")
    return Selection(frozenset(allowed) or None, frozenset(blocked), frozenset(by_caller))


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
