"""Find the images that a list of paths means: paths that somebody else wrote, on another machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from d3wrap.errors import DataError

SHOWN = 3


def match_images(paths: Sequence[str], names: Sequence[str], where: str, by: str) -> list[int]:
    """Return for each of ``paths`` the place in ``names`` of the image it means.

    A path means the image whose last parts are the same: the last one (``0001.jpg``) where that tells all names and
    all paths apart, else the last two (``cats/0001.jpg``), and so on. ``where`` says in messages who has the names,
    ``by`` who has the paths. Raises :class:`~d3wrap.errors.DataError` for images that are not there, and for paths
    that mean the same image or are the same.
    """
    split_paths = [path.replace("\\", "/").split("/") for path in paths]
    split_names = [name.split("/") for name in names]
    depth, deepest = 1, max(map(len, [*split_paths, *split_names]), default=1)
    while depth < deepest and not (_distinct(split_paths, depth) and _distinct(split_names, depth)):
        depth += 1
    if not _distinct(split_paths, depth):
        twice = [one for one, count in Counter(paths).items() if count > 1]
        raise DataError(f"{by}: lists images more than once: {_listed(twice)}")
    places = {_end(parts, depth): place for place, parts in enumerate(split_names)}
    missing = [path for path, parts in zip(paths, split_paths, strict=True) if _end(parts, depth) not in places]
    if missing:
        raise DataError(
            f"{where}: {len(missing):,} of the {len(paths):,} images that {by} lists are not there: "
            f"{_listed(missing)}; it has {names[0]!r} … {names[-1]!r}"
        )
    return [places[_end(parts, depth)] for parts in split_paths]


def _end(parts: Sequence[str], depth: int) -> tuple[str, ...]:
    return tuple(parts[-depth:])


def _distinct(paths: Sequence[Sequence[str]], depth: int) -> bool:
    return len({_end(parts, depth) for parts in paths}) == len(paths)


def _listed(paths: Sequence[str]) -> str:
    more = " …" if len(paths) > SHOWN else ""
    return ", ".join(map(repr, paths[:SHOWN])) + more
