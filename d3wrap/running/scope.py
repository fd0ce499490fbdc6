"""Find a script's objects by name, from where it calls its optimizer outwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from d3wrap.running.names import Name
from d3wrap.running.own_code import OwnCode


@dataclass(frozen=True)
class Namespace:
    """Names and their values in one place of a script, and what to call the place in a message."""

    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Missing:
    """A name that is not there; ``reason`` says why where its first word is there, else it is empty."""

    name: Name
    reason: str = ""


@dataclass(frozen=True)
class Scope:
    """What is visible where a script is: namespaces, the nearest first."""

    namespaces: tuple[Namespace, ...]

    def resolve(self, names: Iterable[Name]) -> tuple[dict[str, Any], list[Missing]]:
        """Return the objects that the names' first words stand for, and the names that are not here.

        Names with the same first word (``self.netG``, ``self.optimizer``) are taken from the same place: the nearest
        where all of them are.
        """
        roots: dict[str, list[Name]] = {}
        for name in names:
            roots.setdefault(name.root, []).append(name)
        found: dict[str, Any] = {}
        missing: list[Missing] = []
        for root, group in roots.items():
            faults: list[Missing] = []
            for namespace in self.namespaces:
                if root in namespace.values:
                    here = _faults(group, namespace)
                    if not here:
                        found[root] = namespace.values[root]
                        break
                    faults = faults or here
            else:
                missing += faults or [Missing(name) for name in group]
        return found, missing

    def outward(self) -> Iterator[Scope]:
        """Yield this scope, then those of its callers: without the nearest place, without the nearest two, …"""
        for start in range(len(self.namespaces)):
            yield Scope(self.namespaces[start:])

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield every name with the value that a lookup would give."""
        seen: set[str] = set()
        for namespace in self.namespaces:
            for name, value in namespace.values.items():
                if name not in seen and not name.startswith("_") and not isinstance(value, ModuleType):
                    seen.add(name)
                    yield name, value


def _faults(names: Sequence[Name], namespace: Namespace) -> list[Missing]:
    faults = []
    for name in names:
        try:
            name.of(namespace.values[name.root])
        except LookupError as error:
            faults.append(Missing(name, f"{error.args[0]}, in {namespace.place}"))
    return faults


def scope_of(frame: FrameType | None, own: OwnCode, main: Mapping[str, Any]) -> Scope:
    """Return what the script sees from ``frame`` outwards.

    In this order: the local names of the script's functions that are running, innermost first; the global names of
    the files these functions are in; the global names of the script, ``main``.
    """
    local: list[Namespace] = []
    modules: dict[int, Namespace] = {}
    while frame is not None:
        code = frame.f_code
        if frame.f_globals is main or not own.is_library(code.co_filename):
            module = code.co_name == "<module>"
            if module and frame.f_globals is main:
                break
            file = Path(code.co_filename).name
            if not module:
                local.append(Namespace(f"{code.co_qualname} ({file}:{frame.f_lineno})", dict(frame.f_locals)))
            modules.setdefault(id(frame.f_globals), Namespace(f"the globals of {file}", frame.f_globals))
        frame = frame.f_back
    modules.pop(id(main), None)
    return Scope((*local, *modules.values(), Namespace("the script's globals", main)))
