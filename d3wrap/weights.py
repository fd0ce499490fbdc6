"""Weights of loss terms, by objective or by term."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

from d3wrap.errors import ConfigError, did_you_mean


def named_terms(results: Iterable[tuple[str, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """Return what a hook's plugins gave as one mapping, by ``plugin/term``."""
    return {f"{plugin}/{term}": value for plugin, terms in results for term, value in terms.items()}


def weighted_sum(terms: Mapping[str, Tensor], weight: Callable[[str], float]) -> Tensor | None:
    """Return Σ weight · term, or ``None`` where every weight is 0 (so that nothing is computed for it)."""
    parts = [value * w for name, value in terms.items() if (w := weight(name)) != 0]
    return sum(parts[1:], parts[0]) if parts else None


def check_names(weights: Mapping[str, float], known: Iterable[str], where: str) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for a weight whose name is none of ``known`` terms or objectives."""
    names = {n for term in known for n in (term, term.partition("/")[0])}
    for name in weights:
        if name not in names:
            raise ConfigError(f"{where}: no loss is called {name!r}{did_you_mean(name, names)}")
