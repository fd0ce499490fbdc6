"""Dotted names of objects in somebody's script: ``netG``, ``self.model.decoder``, ``optimizers["G"]``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from d3wrap.errors import ConfigError, did_you_mean

Step = tuple[str, Any]
"""``("attribute", name)`` or ``("item", key)``."""

Where = Callable[..., str]
"""Gives the place of a value in its file, ``FILE:LINE: KEY``, given the keys and indices below it."""


@dataclass(frozen=True)
class Name:
    """A dotted name as written: ``text``, its first word ``root``, and the steps from there.

    ``where`` is the place in the configuration that it was read from, for messages.
    """

    text: str
    root: str
    steps: tuple[Step, ...]
    where: str

    def of(self, value: Any) -> Any:
        """Walk from the object called ``root`` to the one meant; raises ``LookupError`` that says where it ended."""
        walked = self.root
        for kind, key in self.steps:
            try:
                value = getattr(value, key) if kind == "attribute" else value[key]
            except (AttributeError, LookupError, TypeError) as error:
                raise LookupError(_missing(walked, value, kind, key)) from error
            walked += f".{key}" if kind == "attribute" else f"[{key!r}]"
        if isinstance(value, ModuleType):
            raise LookupError(f"{walked} is a Python module, and not an object of the script")
        return value


def _missing(walked: str, value: Any, kind: str, key: Any) -> str:
    """Say what an object lacks, and what it has that is like it."""
    if kind == "item":
        return f"{walked} is a {type(value).__name__} without [{key!r}]"
    known = [name for name in (*getattr(value, "__dict__", ()), *getattr(value, "_modules", ())) if name[:1] != "_"]
    return f"{walked} is a {type(value).__name__} without {key!r}{did_you_mean(key, known)}"


def parse_name(text: object, where: str) -> Name:
    """Read a dotted name; raises ``ConfigError`` for anything else, e.g. a call or an underscore name."""
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where}: expected the name of an object of the script, e.g. netG, found {text!r}")
    try:
        node: ast.expr = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{where}: {text!r} is not the name of an object, e.g. netG or self.netG") from error
    steps: list[Step] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            refuse_private(node.attr, where)
            steps.append(("attribute", node.attr))
        elif isinstance(node, ast.Subscript):
            steps.append(("item", constant_key(node.slice, text, where)))
        else:
            raise ConfigError(
                f"{where}: expected a name with attributes and constant subscripts, e.g. self.netG or nets['G'], "
                f"found {text!r}"
            )
        node = node.value
    refuse_private(node.id, where)
    return Name(text.strip(), node.id, tuple(reversed(steps)), where)


def refuse_private(name: str, where: str) -> None:
    """Raise ``ConfigError`` for a name that starts with an underscore: they lead into Python itself."""
    if name.startswith("_"):
        raise ConfigError(f"{where}: {name!r}: names with a leading underscore are not allowed")


def constant_key(node: ast.expr, text: str, where: str) -> int | str:
    """Return a subscript that is a number or text; raises ``ConfigError`` for another."""
    try:
        key = ast.literal_eval(node)
    except ValueError:
        key = None
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise ConfigError(f"{where}: in {text!r}: a subscript must be a number or text, found [{ast.unparse(node)}]")
    return key
