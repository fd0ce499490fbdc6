"""Attributes set for a while, and put back exactly."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from d3wrap.compat.priming import prime

ABSENT = object()


class Patches:
    """A list of attributes that were set, with what was there before.

    What is remembered is what the owner itself held, e.g. a ``staticmethod`` object, or nothing where the attribute was
    inherited: :meth:`undo` puts the same object back, or deletes the attribute.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a module or class; of torch's, once torch has learned what its own functions are."""
        if getattr(owner, "__module__", owner.__name__).partition(".")[0] == "torch":
            prime()
        before = vars(owner).get(name, ABSENT)
        self._undo.append(lambda: restore(owner, name, before))
        setattr(owner, name, value)

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of a module or class unless it holds one of that name."""
        if name not in vars(owner):
            self.put(owner, name, value)

    def put_item(self, mapping: MutableMapping[str, Any], key: str, value: Any) -> None:
        """Set an entry of a mapping, e.g. a module in ``sys.modules``."""
        before = mapping.get(key, ABSENT)
        self._undo.append(lambda: mapping.pop(key, None) if before is ABSENT else mapping.__setitem__(key, before))
        mapping[key] = value

    def undo(self) -> None:
        """Put everything back, the last first; what a script itself deleted meanwhile is put back too."""
        while self._undo:
            self._undo.pop()()


def restore(owner: Any, name: str, before: Any) -> None:
    """Put back what an owner held under this name, which may be nothing."""
    if before is not ABSENT:
        setattr(owner, name, before)
    elif name in vars(owner):
        delattr(owner, name)
