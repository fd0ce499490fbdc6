"""Sentences with a place for a class's name and its description, e.g. ``a photo of a {name}. {description}``."""

from __future__ import annotations

import string
from dataclasses import dataclass

from d3wrap.errors import ConfigError, did_you_mean

FIELDS = ("name", "description")
WITH_DESCRIPTION = "a photo of a {name}. {description}"
WITHOUT_DESCRIPTION = "a photo of a {name}."


@dataclass(frozen=True)
class Template:
    """A template as it was written, and its pieces: text, then the field that follows it (``None`` at the end)."""

    text: str
    pieces: tuple[tuple[str, str | None], ...]

    @property
    def describes(self) -> bool:
        """Whether it has a place for a description."""
        return any(field == "description" for _, field in self.pieces)

    def fill(self, name: str, description: str | None) -> str:
        """Return the sentence for a class; without a description, what stands around its place is left as it is."""
        values = {"name": name, "description": description or ""}
        filled = "".join(text + (values[field] if field else "") for text, field in self.pieces)
        return " ".join(filled.split())


def parse_template(text: str) -> Template:
    """Read a template; ``{{`` and ``}}`` stand for braces.

    Raises :class:`~d3wrap.errors.ConfigError` for a field that is not ``{name}`` or ``{description}``, for anything but
    the field's name within braces, for braces that do not pair, and for a template without any field.
    """
    where = f"--template {text!r}"
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; write {{{{ and }}}} for braces of the text") from error
    pieces = []
    for literal, field, form, conversion in parsed:
        if field is not None and field not in FIELDS:
            raise ConfigError(f"{where}: unknown field {{{field}}}{did_you_mean(field, FIELDS)}")
        if form or conversion:
            raise ConfigError(f"{where}: write {{{field}}} alone; formats and conversions are not supported")
        pieces.append((literal, field))
    if not any(field for _, field in pieces):
        raise ConfigError(f"{where}: has no {{name}} and no {{description}}, so all classes would get the same text")
    return Template(text, tuple(pieces))
