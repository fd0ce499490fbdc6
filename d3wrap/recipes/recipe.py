"""One recipe: what it is for, what it needs, and the d3.yaml it stands for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from d3wrap.config import ConfigDocument
from d3wrap.errors import did_you_mean


@dataclass(frozen=True)
class Recipe:
    """How D³ is attached to one training script of a public codebase.

    ``repository`` and ``commit`` say what it was written for; ``compat`` names the shims it needs on current versions;
    ``versions`` says what it was written for and what changed since, ``where`` and ``lines`` what to add by hand, and
    ``tried`` what was run, and how far. ``config`` is the d3.yaml, and ``config_text`` the same as it is written.
    """

    name: str
    title: str
    paper: str
    repository: str
    commit: str
    script: str
    family: str
    compat: tuple[str, ...]
    versions: str
    where: str
    lines: str
    tried: str
    config: ConfigDocument
    config_text: str


KEYS = tuple(field.name for field in fields(Recipe) if field.name != "config_text")


def read_recipe(document: ConfigDocument, text: str) -> Recipe:
    """Check a recipe file, given as read and as ``text``; raises ``ConfigError`` as ``FILE:LINE: KEY: message``."""
    values = document.values
    for key in values:
        if key not in KEYS:
            raise document.error(f"unknown key of a recipe{did_you_mean(key, KEYS)}", key)
    first = next(iter(values), None)
    for key in KEYS:
        if key not in values and first is not None:
            raise document.error(f"the recipe lacks the key {key!r}", first)
    plain = {key: _text(document, key) for key in KEYS if key not in ("compat", "config")}
    return Recipe(
        **plain,
        compat=_names(document, "compat"),
        config=_section(document, "config"),
        config_text=_block(text, document.lines["config",]),
    )


def _text(document: ConfigDocument, key: str) -> str:
    value = document.values[key]
    if isinstance(value, bool | list | dict) or value is None or not str(value).strip():
        raise document.error("expected text", key)
    return document.texts[key,].strip()


def _names(document: ConfigDocument, key: str) -> tuple[str, ...]:
    value = document.values[key]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise document.error("expected a list of names, [] for none", key)
    return tuple(value)


def _section(document: ConfigDocument, key: str) -> ConfigDocument:
    """Return what is below a key as a document of its own, with the lines it has in the file."""
    values: Any = document.values[key]
    if not isinstance(values, dict):
        raise document.error("expected the keys of a d3.yaml", key)
    lines = {keys[1:]: line for keys, line in document.lines.items() if keys[0] == key and len(keys) > 1}
    texts = {keys[1:]: one for keys, one in document.texts.items() if keys[0] == key and len(keys) > 1}
    return ConfigDocument(document.path, values, lines, texts)


def _block(text: str, line: int) -> str:
    """Return the lines below the key on ``line``, up to the next key at the margin, without their indentation."""
    below: list[str] = []
    for one in text.splitlines()[line:]:
        if one[:1].strip() and not one.startswith("#"):
            break
        below.append(one)
    indents = [len(one) - len(one.lstrip()) for one in below if one.strip() and not one.startswith("#")]
    return "\n".join(one.removeprefix(" " * min(indents, default=0)) for one in below).strip() + "\n"
