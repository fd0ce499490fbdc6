"""The language of ``sample:`` and ``encode:``: lines of assignments and calls, read when the configuration is.

Nothing here runs anything. A line is parsed with :mod:`ast`, every node is checked against a short list, and
:mod:`d3wrap.running.interpreter` walks what is left.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from d3wrap.errors import ConfigError
from d3wrap.running.functions import FUNCTIONS
from d3wrap.running.names import Name, Where, parse_name, refuse_private

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult)
LONGEST_LINE = 500
SAMPLE_INPUTS = ("semantics", "classes", "n", "noise", "uniform", "zeros")
ENCODE_INPUTS = ("features", "n")
HELP = (
    "lines may hold names, attributes, calls, numbers, text, tuples, slices, + - * / @ and assignments to a name; "
    "anything else goes into a function of your script"
)


@dataclass(frozen=True)
class Line:
    """One line: what it is called in the file, the names it sets (none where it is only an expression), its value."""

    text: str
    where: str
    targets: tuple[str, ...]
    unpacks: bool
    value: ast.expr


@dataclass(frozen=True)
class Lines:
    """A checked little program; the value of its last line is its result.

    ``names`` are the dotted names it takes from the script: those that are neither inputs, functions of ours, nor set
    by a line before.
    """

    lines: tuple[Line, ...]
    inputs: tuple[str, ...]
    names: tuple[Name, ...]


def parse_lines(value: Any, where: Where, inputs: Collection[str]) -> Lines:
    """Read the value of ``sample:`` or ``encode:``: a line, or a list of them; the last one gives the result.

    Raises ``ConfigError`` as ``FILE:LINE: KEY: message`` for what the language does not have.
    """
    several = isinstance(value, list)
    texts = value if several else [value]
    if not texts:
        raise ConfigError(f"{where()}: expected one line or more, found an empty list")
    reserved = {*inputs, *FUNCTIONS}
    lines = [_line(text, where(index) if several else where(), reserved) for index, text in enumerate(texts)]
    if lines[-1].targets:
        raise ConfigError(f"{lines[-1].where}: the last line gives the result: write only {lines[-1].targets[0]!r}")
    return Lines(tuple(lines), tuple(inputs), tuple(_script_names(lines, reserved)))


def _line(text: Any, where: str, reserved: Collection[str]) -> Line:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where}: expected a line of text (quote it where it holds ': ' or ' #'), found {text!r}")
    text = text.strip()
    if len(text) > LONGEST_LINE:
        raise ConfigError(f"{where}: longer than {LONGEST_LINE} characters; set a name on a line of its own")
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {text!r} is not an expression: {getattr(error, 'msg', error)}") from error
    statement = statements[0] if len(statements) == 1 else None
    if isinstance(statement, ast.Expr):
        targets: tuple[str, ...] = ()
        unpacks = False
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        targets, unpacks = _targets(statement.targets[0], where, reserved)
    else:
        raise ConfigError(f"{where}: {text!r}: {HELP}")
    _check(statement.value, text, where)
    return Line(text, where, targets, unpacks, statement.value)


def _targets(target: ast.expr, where: str, reserved: Collection[str]) -> tuple[tuple[str, ...], bool]:
    unpacks = isinstance(target, ast.Tuple)
    nodes = target.elts if isinstance(target, ast.Tuple) else [target]
    names = []
    for node in nodes:
        if not isinstance(node, ast.Name):
            raise ConfigError(f"{where}: only names can be set, and nothing of the script's: {ast.unparse(target)!r}")
        if node.id != "_":
            refuse_private(node.id, where)
        if node.id in reserved:
            raise ConfigError(f"{where}: {node.id!r} has a meaning here already; choose another name")
        names.append(node.id)
    return tuple(names), unpacks


def _check(node: ast.AST, text: str, where: str) -> None:
    """Raise ``ConfigError`` for any node that is not in the language."""
    allowed: bool = isinstance(node, ast.Name | ast.Tuple | ast.Slice | ast.Subscript | ast.Call | ast.Load)
    if isinstance(node, ast.Name):
        refuse_private(node.id, where)
    elif isinstance(node, ast.Attribute):
        allowed = True
        refuse_private(node.attr, where)
    elif isinstance(node, ast.Constant):
        allowed = node.value is None or isinstance(node.value, bool | int | float | str)
    elif isinstance(node, ast.List):
        allowed = True
    elif isinstance(node, ast.BinOp):
        allowed = isinstance(node.op, OPERATORS)
    elif isinstance(node, ast.UnaryOp):
        allowed = isinstance(node.op, ast.USub)
    elif isinstance(node, ast.keyword):
        allowed = node.arg is not None
    elif isinstance(node, (*OPERATORS, ast.USub)):
        allowed = True
    if isinstance(node, ast.Subscript) and not _constant_slice(node.slice):
        raise ConfigError(f"{where}: {text!r}: a subscript must be constant, found [{ast.unparse(node.slice)}]")
    if not allowed:
        found = ast.unparse(node) or type(node).__name__
        raise ConfigError(f"{where}: {text!r}: {found!r} is not allowed: {HELP}")
    for child in ast.iter_child_nodes(node):
        _check(child, text, where)


def _constant_slice(node: ast.AST) -> bool:
    """Say whether a subscript holds nothing but numbers, text, None, slices and negative numbers."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Tuple | ast.Slice):
        return all(_constant_slice(child) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.Load))
    return False


def _script_names(lines: list[Line], reserved: Collection[str]) -> Iterator[Name]:
    """Yield each dotted name that a line takes from the script, once."""
    known = set(reserved)
    seen: set[str] = set()
    for line in lines:
        for node in _chains(line.value):
            root = ast.unparse(node).partition(".")[0]
            text = ast.unparse(node)
            if root not in known and text not in seen:
                seen.add(text)
                yield parse_name(text, line.where)
        known.update(line.targets)


def _chains(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the longest ``name.attribute.attribute`` at each place where a name is read."""
    inner = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if isinstance(inner, ast.Name) and isinstance(node, ast.expr):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)
