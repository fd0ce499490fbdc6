"""Loaders of data, used as old versions allowed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source


def next_method(source: Source) -> Iterator[Hit]:
    """Yield ``iterator.next()`` of what ``iter`` gave."""
    for call, _ in source.calls():
        is_next = isinstance(call.func, ast.Attribute) and call.func.attr == "next" and not call.args
        if is_next and "iter" in made_by(source, call.func.value):  # type: ignore[attr-defined]
            yield Hit(call.lineno, "iterator.next()", "loader", "for a DataLoader: --compat loader; or next(iterator)")


def made_by(source: Source, node: ast.expr) -> set[str]:
    """Return the dotted names of what is called to make an expression, or what its name is assigned."""
    values = [node, *source.assigned.get(ast.unparse(node), [])]
    return {source.dotted(value.func) for value in values if isinstance(value, ast.Call)}


def without_length(source: Source) -> Iterator[Hit]:
    """Yield shuffling loaders of an object of the script's own that has no ``len``."""
    for call, name in source.calls():
        if name != "torch.utils.data.DataLoader" or not call.args or not shuffles(call):
            continue
        kinds = [source.classes[kind] for kind in made_by(source, call.args[0]) if kind in source.classes]
        if any(not has_length(kind) for kind in kinds):
            remedy = "refused when it is made: --compat loader, which refuses when it is iterated over"
            yield Hit(call.lineno, "DataLoader(…, shuffle=True) of an object without len", "loader", remedy)


def shuffles(call: ast.Call) -> bool:
    """Tell whether a call asks for rows in random order."""
    return any(word.arg == "shuffle" and ast.unparse(word.value) == "True" for word in call.keywords)


def has_length(kind: ast.ClassDef) -> bool:
    """Tell whether a class may have ``len``: it defines it, or inherits from something that could."""
    methods = {node.name for node in kind.body if isinstance(node, ast.FunctionDef)}
    return "__len__" in methods or any(ast.unparse(base) != "object" for base in kind.bases)


RULES = (next_method, without_length)
