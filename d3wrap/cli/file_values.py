"""Turn what a configuration file says about an option into what click takes for it."""

from __future__ import annotations

from typing import Any

import click

from d3wrap.cli.file_type import FileType
from d3wrap.cli.key_value import KeyValue
from d3wrap.config import ConfigDocument, Override
from d3wrap.config.document import Keys
from d3wrap.config.scalars import describe, parse_scalar


def file_value(document: ConfigDocument, key: str, parameter: click.Parameter, context: click.Context) -> Any:
    """Return the value of ``key`` as ``parameter`` takes it; raises ``ConfigError`` that names the line."""
    return value_at(document, (key,), document.values[key], parameter, context)


def value_at(
    document: ConfigDocument, keys: Keys, value: Any, parameter: click.Parameter, context: click.Context
) -> Any:
    """Return ``value``, which stands at ``keys`` of the file, as ``parameter`` takes it."""
    return _Reader(document, parameter, context).read(value, keys)


class _Reader:
    def __init__(self, document: ConfigDocument, parameter: click.Parameter, context: click.Context) -> None:
        self.document, self.parameter, self.context = document, parameter, context

    def read(self, value: Any, keys: Keys) -> Any:
        several = getattr(self.parameter, "multiple", False)
        if isinstance(self.parameter.type, KeyValue) and isinstance(value, dict):
            pairs = [
                Override(key.replace("-", "_"), item, self.document.where(*keys, key)) for key, item in value.items()
            ]
            return pairs if several else self.error("KEY=VALUE", value, keys)
        if several:
            return [self.group(item, path) for item, path in self.items(value, keys)]
        return self.group(value, keys)

    def group(self, value: Any, keys: Keys) -> Any:
        """Read one occurrence of the option, which may itself hold several values."""
        if self.parameter.nargs == 1:
            return self.single(self.parameter.type, value, keys)
        items = self.items(value, keys)
        if self.parameter.nargs == -1:
            return [self.single(self.parameter.type, item, path) for item, path in items]
        if len(items) != self.parameter.nargs:
            self.error(f"a list of {self.parameter.nargs}", value, keys)
        composite = self.parameter.type
        kinds = composite.types if isinstance(composite, click.Tuple) else [composite] * len(items)
        return [self.single(kind, item, path) for kind, (item, path) in zip(kinds, items, strict=True)]

    def items(self, value: Any, keys: Keys) -> list[tuple[Any, Keys]]:
        """Return the items of a list, or of comma-separated text, each with its path."""
        if isinstance(value, list):
            return [(item, (*keys, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            return [(parse_scalar(part.strip()), keys) for part in value.split(",")]
        return [(value, keys)]

    def single(self, kind: click.ParamType, value: Any, keys: Keys) -> Any:
        """Check a value against a click type and convert it."""
        if isinstance(kind, FileType):
            return kind.read(self.document, value, keys, self.parameter, self.context)
        if isinstance(kind, click.types.BoolParamType):
            return value if isinstance(value, bool) else self.error("true or false", value, keys)
        if isinstance(kind, click.types.IntParamType):
            if not isinstance(value, int) or isinstance(value, bool):
                self.error("an integer", value, keys)
        elif isinstance(kind, click.types.FloatParamType):
            if not isinstance(value, int | float) or isinstance(value, bool):
                self.error("a number", value, keys)
        elif isinstance(kind, click.types.StringParamType | click.Path | click.File):
            if not isinstance(value, str):
                self.error("text (quote it)" if isinstance(value, bool | int | float) else "text", value, keys)
        elif value is None or isinstance(value, dict | list):
            self.error("one value, as on the command line", value, keys)
        else:
            value = self.document.texts[keys] if isinstance(value, bool | int | float) else value
        try:
            return kind.convert(value, self.parameter, self.context)
        except click.BadParameter as error:
            raise self.document.error(error.message, *keys) from error

    def error(self, expected: str, found: Any, keys: Keys) -> Any:
        raise self.document.error(f"expected {expected}, found {describe(found)}", *keys)
