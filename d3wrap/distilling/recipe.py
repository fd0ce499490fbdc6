"""A recipe: which losses, and which texts, written as ``cls+contrastive@names``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from d3wrap.distilling.objectives import PREFIX
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.manager import Plugins
from d3wrap.weights import check_names


@dataclass(frozen=True)
class Recipe:
    """Names of objectives, the name of the texts they are against, and weights by objective or ``objective/term``."""

    text: str
    objectives: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return it as one writes it."""
        return f"{'+'.join(name.removeprefix(PREFIX) for name in self.objectives)}@{self.text}"

    @property
    def folder(self) -> str:
        """Return it as the name of a folder."""
        return re.sub(r"[^A-Za-z0-9@+_.-]", "_", self.label)

    def weight(self, term: str) -> float:
        """Return the weight of ``objective/term``: 1 unless it or its objective has one."""
        return self.weights.get(term, self.weights.get(term.partition("/")[0], 1.0))


def parse_recipe(text: str, texts: Collection[str], weights: Mapping[str, float], plugins: Plugins) -> Recipe:
    """Read ``OBJECTIVE[+OBJECTIVE…][@TEXT]``; the beginning ``vl-`` may be left out, and so may the first of ``texts``.

    ``weights`` may name objectives of other recipes too, by full name or without the beginning. Raises
    :class:`~d3wrap.errors.ConfigError` for a name that nothing has.
    """
    parts, _, chosen = text.partition("@")
    chosen = chosen or next(iter(texts))
    if chosen not in texts:
        raise ConfigError(f"--recipe {text}: no text is called {chosen!r}{did_you_mean(chosen, texts)}")
    known = plugins.objectives
    names = []
    for part in parts.split("+"):
        found = next((name for name in (PREFIX + part.strip(), part.strip()) if name in known), None)
        if found is None:
            short = {name.removeprefix(PREFIX) for name in known}
            raise ConfigError(f"--recipe {text}: no objective is called {part!r}{did_you_mean(part, short)}")
        if found not in names:
            names.append(found)
    full = {name if name.partition("/")[0] in known else PREFIX + name: value for name, value in weights.items()}
    check_names(full, [f"{name}/{term}" for name, spec in known.items() for term in spec.terms], "--weight")
    if all(full.get(name, 1.0) == 0 for name in names):
        raise ConfigError(f"--recipe {text}: every weight is 0, nothing would be learned")
    for name, value in full.items():
        if not 0 <= value < float("inf"):
            raise ConfigError(f"--weight {name}: expected 0 or more, found {value!r}")
    return Recipe(chosen, tuple(names), {k: v for k, v in full.items() if k.partition("/")[0] in names})
