"""Which files of a directory make up a dataset in the xlsa17 format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from d3wrap.errors import DataError, did_you_mean

PREFERRED_FEATURES = "res101"
PREFERRED_SPLIT = "att_splits"


@dataclass(frozen=True)
class Sources:
    """The files one dataset is made of; ``class_names`` is ``None`` where the directory has no such file."""

    directory: Path
    features: Path
    split: Path
    class_names: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        """All the files, so that a change of any is noticed."""
        return tuple(path for path in (self.features, self.split, self.class_names) if path is not None)


def find_sources(directory: Path, features: str | None, split: str | None) -> Sources:
    """Choose the feature file and the split file in ``directory``.

    ``features`` and ``split`` are file names without ``.mat``; ``None`` takes ``res101`` and ``att_splits``
    where they are, else the only candidate. Raises :class:`~d3wrap.errors.DataError` that lists the candidates.
    """
    if not os.access(directory, os.R_OK | os.X_OK):
        raise DataError(f"{directory}: cannot be read; check its permissions")
    stems = sorted(path.stem for path in directory.glob("*.mat"))
    if not stems:
        raise DataError(
            f"{directory}: holds no .mat file, expected one with features (res101.mat) and one with the "
            "split (att_splits.mat) in xlsa17 format; for another format give the file itself"
        )
    splits = [stem for stem in stems if stem.endswith("_splits")]
    others = [stem for stem in stems if not stem.endswith("_splits")]
    chosen = _choose(directory, "features", features, others, PREFERRED_FEATURES)
    chosen_split = _choose(directory, "split", split, splits, PREFERRED_SPLIT)
    names = directory / "class_names.txt"
    return Sources(
        directory,
        directory / f"{chosen}.mat",
        directory / f"{chosen_split}.mat",
        names if names.is_file() else None,
    )


def _choose(directory: Path, what: str, asked: str | None, candidates: list[str], preferred: str) -> str:
    if asked is not None:
        stem = asked.removesuffix(".mat")
        if stem not in candidates:
            raise DataError(f"{directory}: no {what} file {stem}.mat{did_you_mean(stem, candidates)}")
        return stem
    if preferred in candidates:
        return preferred
    if not candidates:
        raise DataError(f"{directory}: has no {what} file, expected {preferred}.mat")
    if len(candidates) > 1:
        raise DataError(
            f"{directory}: has several {what} files; say which with {what}=... (one of {', '.join(candidates)})"
        )
    return candidates[0]
