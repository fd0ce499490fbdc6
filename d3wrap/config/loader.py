"""Read YAML strictly: what is ambiguous, repeated or could run code is an error with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import yaml

from d3wrap.config.document import ConfigDocument, Keys, key_text
from d3wrap.config.scalars import Scalar, describe, parse_scalar
from d3wrap.errors import ConfigError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20


class _Loader(yaml.SafeLoader):
    """Composes nodes only; refuses tags, anchors and aliases (and with them alias bombs)."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._refuse(event, "anchors (&) and aliases (*) are not allowed; write the value out")
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag!r} is not allowed; remove it")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(event, f"nested more than {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    @staticmethod
    def _refuse(event: yaml.Event, problem: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


def load_yaml(path: str | os.PathLike[str]) -> ConfigDocument:
    """Read one YAML document whose root is a mapping; an empty file is an empty mapping.

    Scalars follow YAML 1.2 (:func:`~d3wrap.config.scalars.parse_scalar`). Raises ``ConfigError`` as
    ``FILE:LINE: KEY: message`` for anything else, and for files over 64 KiB.
    """
    source = os.fspath(path)
    return read_text(_read_text(source), source)


def read_text(text: str, source: str) -> ConfigDocument:
    """Read the text of such a document; ``source`` is what error messages call it."""
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        line, problem = _fault(error, text)
        raise ConfigError(f"{source}:{line}: {problem}") from error
    if node is None:
        return ConfigDocument(source, {}, {}, {})
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise ConfigError(f"{source}:{line}: expected 'key: value' lines, found {_node_name(node)}")
    reader = _Values(source)
    return ConfigDocument(source, reader.mapping(node, ()), reader.lines, reader.texts)


def parse_value(text: str) -> Any:
    """Return what ``text`` would mean to the right of a key in a YAML file; raises ``ConfigError``."""
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r}: {_fault(error, text)[1]}") from error
    return None if node is None else _Values(repr(text)).of(node, ())


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _read_text(source: str) -> str:
    try:
        with Path(source).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{source}: larger than {MAX_BYTES // 1024} KiB, which no configuration needs")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}:{line}: not UTF-8; save the file as UTF-8") from error


def _fault(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line of a syntax error and what is wrong there."""
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, "holds a character that YAML does not allow"
    assert isinstance(error, yaml.MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    problem = ", ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in problem:
        problem = "found a tab where YAML wants spaces"
    elif "but found another document" in problem:
        problem = "a second document ('---') starts here; a configuration is one document"
    return (mark.line + 1 if mark else 1), problem


def _node_name(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return describe(_scalar(node))
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _scalar(node: yaml.ScalarNode) -> Scalar:
    return parse_scalar(node.value) if node.style is None else str(node.value)


class _Values:
    """Turns nodes into plain values while noting lines and texts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[Keys, int] = {}
        self.texts: dict[Keys, str] = {}

    def of(self, node: yaml.Node, keys: Keys) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*keys, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        self.texts[keys] = node.value
        return _scalar(node)

    def item(self, node: yaml.Node, keys: Keys) -> Any:
        self.lines[keys] = node.start_mark.line + 1
        return self.of(node, keys)

    def mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise ConfigError(f"{self.path}:{line}: a key must be text, found {_node_name(key_node)}")
            path = (*keys, key)
            place = f"{self.path}:{line}: {key_text(path)}"
            if key == "<<":
                raise ConfigError(f"{place}: merge keys are not allowed; write the values out")
            if key in values:
                raise ConfigError(f"{place}: already given on line {self.lines[path]}")
            self.lines[path] = line
            values[key] = self.of(child, path)
        return values
