"""Match classes by their names, however they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from d3wrap.errors import DataError

SHOWN = 5
"""Names that an error message has room for."""


def spoken(name: str) -> str:
    """Return a class name as people write it in a sentence: ``002.Laysan_Albatross`` is ``Laysan Albatross``.

    The files of benchmarks write spaces as ``_`` (FLO, CUB, SUN) or ``+`` (AWA), and CUB's put numbers before names.
    """
    return " ".join(re.sub(r"^\d+\.(?=\D)", "", name).replace("_", " ").replace("+", " ").split())


def comparable(name: str) -> str:
    """Return what two ways of writing one class name have in common: ``Bird_of_Paradise`` is ``bird of paradise``.

    Case, ``_``, ``+``, ``-``, spaces and CUB's numbers do not count.
    """
    return " ".join(spoken(name).replace("-", " ").casefold().split())


def places_by_name(names: Sequence[str], where: str) -> dict[str, int]:
    """Return the place of each name by its :func:`comparable` form; raises ``DataError`` where two are the same."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        key = comparable(name)
        if key in places:
            raise DataError(
                f"{where}: the class names {names[places[key]]!r} and {name!r} are the same but for writing"
            )
        places[key] = place
    return places


def match_names(names: Sequence[str], where: str, wanted: Sequence[str], by: str) -> list[int]:
    """Return for each name of ``wanted`` its place in ``names``; every name of either must be in the other.

    ``where`` and ``by`` say in messages who has ``names`` and who wants them. Raises
    :class:`~d3wrap.errors.DataError` that lists what is missing and what is left over.
    """
    there, here = places_by_name(names, where), places_by_name(wanted, by)
    missing, left = _without(here, there, wanted), _without(there, here, names)
    if missing or left:
        faults = [f"has no class {listed(missing)}, which {by} has"] if missing else []
        faults += [f"has {listed(left)}, which {by} has not"] if left else []
        raise DataError(f"{where}: {'; '.join(faults)} (names are compared without case, '_', '+', '-')")
    return [there[key] for key in here]


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name) for name in names[:SHOWN]) + more


def _without(one: Mapping[str, int], other: Mapping[str, int], names: Sequence[str]) -> list[str]:
    return [names[place] for key, place in one.items() if key not in other]
