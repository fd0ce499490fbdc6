"""The ``KEY=VALUE`` option type."""

from __future__ import annotations

from typing import Any

import click

from d3wrap.config import Override, parse_value
from d3wrap.errors import ConfigError


class KeyValue(click.ParamType):
    """``KEY=VALUE``, the value read as in a YAML file; use with ``multiple=True``.

    Gives an :class:`~d3wrap.config.Override`; :func:`~d3wrap.config.apply_overrides` takes the tuple of them.
    """

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Override:
        """Split at the first ``=``."""
        if isinstance(value, Override):
            return value
        key, sign, text = str(value).partition("=")
        key = key.strip().replace("-", "_")
        if not sign or not key:
            self.fail(f"expected KEY=VALUE, found {value!r}", param, ctx)
        try:
            parsed = parse_value(text.strip())
        except ConfigError as error:
            self.fail(f"{key}: {error}", param, ctx)
        return Override(key, parsed, f"{param.opts[0] if param else ''} {key}".strip())
