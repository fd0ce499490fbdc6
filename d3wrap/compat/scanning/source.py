"""One file of a script: its syntax tree, and what its names stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path


class Source:
    """A parsed file.

    ``aliases`` gives for each imported name what it stands for, e.g. ``np`` for ``numpy``; names that come by
    ``from utils import *`` are added by whoever reads that file too. ``classes`` holds the classes of all files, by
    dotted name.
    """

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self.nodes = list(ast.walk(tree))
        self.aliases = dict(imported(self.nodes))
        self.classes: dict[str, ast.ClassDef] = {}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def assigned(self) -> dict[str, list[ast.expr]]:
        """What is assigned to each name or attribute, by its text."""
        values: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    values.setdefault(ast.unparse(target), []).append(node.value)
        return values

    @cached_property
    def defined(self) -> set[str]:
        """Every name the file itself gives a meaning to."""
        names = {node.id for node in self.nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
        kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        names |= {node.name for node in self.nodes if isinstance(node, kinds)}
        names |= {node.arg for node in self.nodes if isinstance(node, ast.arg)}
        return names | set(self.aliases)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Yield every call with what is called: a dotted name, from an import where it starts with one, or ''."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func)

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name of an expression, with imported names in full, '' where it is none."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around one, from the inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node


def imported(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield each name that an absolute import binds, and what it stands for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
                else:
                    yield alias.name.partition(".")[0], alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def text_of(node: ast.AST) -> str | None:
    """Return the text of a constant, else None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
