"""Types of options that read what stands in a configuration file themselves, e.g. a list or a mapping."""

from __future__ import annotations

from typing import Any

import click

from d3wrap.config import ConfigDocument
from d3wrap.config.document import Keys


class FileType(click.ParamType):
    """A type whose values in a file may be more than one scalar."""

    def read(
        self, document: ConfigDocument, value: Any, keys: Keys, parameter: click.Parameter, context: click.Context
    ) -> Any:
        """Return what ``value`` at ``keys`` of a file means; raises ``ConfigError`` that names the line."""
        raise NotImplementedError
