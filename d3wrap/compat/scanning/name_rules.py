"""Names that numpy, scipy, torch or Python had once."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from d3wrap.compat.numpy_names import old_names
from d3wrap.compat.numpy_scalars import FINDERS
from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source
from d3wrap.compat.scipy_names import OLD_NAMES

KNOWN = ("collections", "inspect", "itertools", "math", "numpy", "scipy", "string", "time", "torch")
"""Libraries whose names are looked up where they are installed."""

PYTHON_2 = {
    "basestring": "str",
    "execfile": "runpy.run_path",
    "long": "int",
    "raw_input": "input",
    "reduce": "functools.reduce",
    "unichr": "chr",
    "unicode": "str",
    "xrange": "range",
}
PYTHON_2_METHODS = {"has_key": "in", "iteritems": "items()", "iterkeys": "keys()", "itervalues": "values()"}


def libraries(source: Source) -> Iterator[Hit]:
    """Yield names of a library that the version installed does not have."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names if alias.name != "*"]
        elif isinstance(node, ast.Attribute) and not isinstance(source.parents.get(node), ast.Attribute):
            names = [(source.dotted(node), node.lineno)] if comes_from_import(source, node) else []
        else:
            continue
        for name, line in names:
            gone = missing(name) if name.partition(".")[0] in KNOWN else None
            if gone:
                yield Hit(line, *described(gone))


def comes_from_import(source: Source, node: ast.Attribute) -> bool:
    """Tell whether a dotted name starts with something imported."""
    value: ast.expr = node
    while isinstance(value, ast.Attribute):
        value = value.value
    return isinstance(value, ast.Name) and value.id in source.aliases


def described(gone: str) -> tuple[str, str | None, str]:
    """Return what was found, the shim and the remedy for a name that is gone."""
    library, _, name = gone.partition(".")
    if gone in {"numpy.in1d", *(f"numpy.{old}" for old in old_names())}:
        return f"np.{name}", "numpy-names", "--compat numpy-names"
    if any(gone == f"{module}.{old}" for module, names in OLD_NAMES.items() for old in names):
        return gone, "scipy-names", "--compat scipy-names"
    if gone.startswith("torch._six"):
        return "torch._six", "torch-names", "--compat torch-names"
    version = getattr(importlib.import_module(library), "__version__", None)
    there = f"{library} {version}" if version else "this version of Python"
    return gone, None, f"{there} has nothing of that name; see what replaced it, or install an older version"


@cache
def missing(name: str) -> str | None:
    """Return the shortest part of a dotted name that its library lacks, None where all is there.

    Libraries are imported to look, the script is not.
    """
    parts = name.split(".")
    try:
        owner: Any = importlib.import_module(parts[0])
    except ImportError:
        return None
    for number, part in enumerate(parts[1:], 2):
        if not isinstance(owner, ModuleType):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not hasattr(owner, part) and not is_module(owner, part):
                return ".".join(parts[:number])
            owner = getattr(owner, part, None)
    return None


def is_module(owner: ModuleType, name: str) -> bool:
    """Tell whether a package has a module of that name, imported yet or not."""
    return hasattr(owner, "__path__") and importlib.util.find_spec(f"{owner.__name__}.{name}") is not None


def numpy_scalars(source: Source) -> Iterator[Hit]:
    """Yield ``int(np.argwhere(…))``, where numpy refuses it."""
    if not numpy_refuses():
        return
    for call, name in source.calls():
        if name in {"int", "float"} and call.args and is_found(source, call.args[0]):
            remedy = "--compat numpy-scalars, or write .item()"
            yield Hit(call.lineno, f"{name}() of what np.argwhere or its like found", "numpy-scalars", remedy)


@cache
def numpy_refuses() -> bool:
    """Tell whether an array of one element with dimensions is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            int(np.zeros((1, 1)))
        except TypeError:
            return True
    return False


def is_found(source: Source, node: ast.expr) -> bool:
    """Tell whether an expression is what ``np.argwhere`` or its like returned, or a part of that."""
    values = [node, *source.assigned.get(ast.unparse(node), [])]
    for value in values:
        inner = value
        while isinstance(inner, ast.Subscript):
            inner = inner.value
        if isinstance(inner, ast.Call) and source.dotted(inner.func) in {f"numpy.{name}" for name in FINDERS}:
            return True
    return False


def python_2(source: Source) -> Iterator[Hit]:
    """Yield built-in names and methods of Python 2."""
    for node in source.nodes:
        if isinstance(node, ast.Name) and node.id in PYTHON_2 and node.id not in source.defined:
            yield Hit(node.lineno, f"{node.id}, of Python 2", None, f"write {PYTHON_2[node.id]} in your copy")
        elif isinstance(node, ast.Attribute) and node.attr in PYTHON_2_METHODS:
            yield Hit(node.lineno, f".{node.attr}(), of Python 2", None, f"write {PYTHON_2_METHODS[node.attr]}")


RULES = (libraries, numpy_scalars, python_2)
