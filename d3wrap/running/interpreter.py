"""Work out what lines of a configuration give, by walking them; nothing is compiled or executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import Tensor

from d3wrap.errors import ConfigError, D3WrapError, ShapeError
from d3wrap.running.expression import Line, Lines
from d3wrap.running.functions import FUNCTIONS
from d3wrap.running.own_code import OwnCode
from d3wrap.running.permission import refusal

OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
}


def run_lines(lines: Lines, inputs: Mapping[str, Any], objects: Mapping[str, Any], own: OwnCode) -> Any:
    """Return the value of the last line.

    ``inputs`` are what lines are given (``semantics``, ``noise``, …), ``objects`` the script's objects by first word.
    Raises ``ConfigError`` that names the line, for what may not be called and for what the script's own code raised.
    """
    names = {**objects, **FUNCTIONS, **inputs}
    result: Any = None
    for line in lines.lines:
        try:
            result = _Walk(names, own, line).value(line.value)
            _assign(line, result, names)
        except D3WrapError:
            raise
        except Exception as error:  # the script's own code may fail in any way
            raise ConfigError(f"{line.where}: {line.text!r} failed: {type(error).__name__}: {error}") from error
    return result


def _assign(line: Line, value: Any, names: dict[str, Any]) -> None:
    if line.unpacks:
        values = tuple(value)
        if len(values) != len(line.targets):
            raise ShapeError(f"{line.where}: {line.text!r}: {len(values)} values for {len(line.targets)} names")
        names.update(zip(line.targets, values, strict=True))
    elif line.targets:
        names[line.targets[0]] = value


class _Walk:
    def __init__(self, names: Mapping[str, Any], own: OwnCode, line: Line) -> None:
        self.names, self.own, self.line = names, own, line

    def value(self, node: ast.expr | None) -> Any:
        """Return what an expression gives."""
        result = self._value(node)
        if isinstance(result, ModuleType):
            raise self.error(f"{result.__name__} is a Python module; only objects of the script may be used")
        return result

    def _value(self, node: ast.expr | None) -> Any:
        if node is None:  # an end of a slice left open
            return None
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            if node.id not in self.names:
                raise self.error(f"the script has no {node.id!r} here")
            return self.names[node.id]
        if isinstance(node, ast.Attribute):
            return getattr(self.value(node.value), node.attr)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](self.value(node.left), self.value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -self.value(node.operand)
        if isinstance(node, ast.Subscript):
            return self.value(node.value)[self.value(node.slice)]
        if isinstance(node, ast.Slice):
            return slice(self.value(node.lower), self.value(node.upper), self.value(node.step))
        assert isinstance(node, ast.Tuple | ast.List)  # the parser lets nothing else through
        items = [self.value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)

    def call(self, node: ast.Call) -> Any:
        """Call what may be called."""
        called = self.value(node.func)
        text = ast.unparse(node.func)
        ours = isinstance(node.func, ast.Name) and called is self._ours(node.func.id)
        if not ours and (reason := refusal(called, self.own)) is not None:
            raise self.error(f"{text} may not be called: {reason}")
        arguments = [self.value(argument) for argument in node.args]
        return called(*arguments, **{str(word.arg): self.value(word.value) for word in node.keywords})

    def _ours(self, name: str) -> Any:
        return FUNCTIONS.get(name) if name in FUNCTIONS else self.names.get(name) if name in _DRAWS else None

    def error(self, message: str) -> ConfigError:
        return ConfigError(f"{self.line.where}: {self.line.text!r}: {message}")


_DRAWS = frozenset({"noise", "uniform", "zeros"})


def as_features(value: Any, lines: Lines) -> Tensor:
    """Return the result of lines where it is a tensor; raises ``ShapeError`` for another."""
    if not isinstance(value, Tensor):
        last = lines.lines[-1]
        raise ShapeError(f"{last.where}: {last.text!r} gives a {type(value).__name__}; expected a tensor of features")
    return value
