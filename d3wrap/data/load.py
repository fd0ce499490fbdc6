"""One function that loads any dataset d3wrap can read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from d3wrap.data.checks import check_dataset
from d3wrap.data.converted import check_sources, read_converted
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.described import is_semantics_file, with_semantics
from d3wrap.data.directory import read_directory
from d3wrap.data.fraction import check_fraction, keep_fraction
from d3wrap.data.limits import DEFAULT_LIMITS, Limits
from d3wrap.data.names import NAMES, is_name, read_named
from d3wrap.data.npz import read_npz
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.data.teacher import with_teacher_features, with_text_features
from d3wrap.data.tensor_file import SUFFIX
from d3wrap.errors import ConfigError, DataError, did_you_mean

Scale = Literal["minmax", "none"]


def load_dataset(
    path_or_name: str | os.PathLike[str],
    *,
    features: str | None = None,
    split: str | None = None,
    semantics: str | os.PathLike[str] = "att",
    teacher_features: str | os.PathLike[str] | None = None,
    text_features: str | os.PathLike[str] | None = None,
    scale: Scale = "minmax",
    train_fraction: float = 1.0,
    fraction_seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> GZSLDataset:
    """Load a dataset, check it, and scale its features with the range they have on the training rows.

    ``path_or_name``: ``"digits"``, ``"synthetic"`` or ``"synthetic:classes=20,dim=64"``; a directory of xlsa17
    ``.mat`` files; a ``.npz`` file; or a ``.safetensors`` file that d3wrap converted. ``features``, ``split`` (file
    names without ``.mat``) and ``semantics`` (``"att"`` or ``"original_att"``) choose within a directory; of any
    dataset, ``semantics`` may be a ``.safetensors`` file that ``d3wrap semantics build`` wrote
    (:func:`d3wrap.data.described.with_semantics`). A directory is converted once, beside its files or in ``cache``
    (see :mod:`d3wrap.data.cache`). ``teacher_features`` (a file that can be loaded, or a feature file of the directory)
    and ``text_features`` (a file of semantics) are what a vision–language teacher has of the same images and of the
    classes (:mod:`d3wrap.data.teacher`). ``scale="none"`` leaves features as in the source. ``train_fraction`` in
    (0, 1] keeps that share of each seen class's training rows, drawn with ``fraction_seed``, before anything is scaled
    (:func:`d3wrap.data.keep_fraction`).

    Raises :class:`~d3wrap.errors.DataError` for what cannot be read or fails a check,
    :class:`~d3wrap.errors.ConfigError` for a wrong argument and :class:`~d3wrap.errors.MissingExtraError` for
    MATLAB v7.3 files without h5py.
    """
    if scale not in ("minmax", "none"):
        raise ConfigError(f"scale is {scale!r}, expected 'minmax' or 'none'")
    check_fraction(train_fraction)
    dataset = read_dataset(
        path_or_name,
        features=features,
        split=split,
        semantics=semantics,
        teacher_features=teacher_features,
        text_features=text_features,
        cache=cache,
        limits=limits,
    )
    dataset = keep_fraction(dataset, train_fraction, fraction_seed)
    if scale == "none":
        return dataset
    # pixels share one range, or a pixel that seen pictures never use would be blown up in unseen ones
    scaler = MinMaxScaler.fit(dataset.train_features, jointly=dataset.image_shape is not None)
    return replace(dataset, features=scaler.transform(dataset.features), scaler=scaler)


def read_dataset(
    path_or_name: str | os.PathLike[str],
    *,
    features: str | None = None,
    split: str | None = None,
    semantics: str | os.PathLike[str] = "att",
    teacher_features: str | os.PathLike[str] | None = None,
    text_features: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    check: Callable[[GZSLDataset], None] = check_dataset,
) -> GZSLDataset:
    """Do what :func:`load_dataset` does, without scaling; ``check`` sees the dataset before it is written anywhere."""
    if teacher_features is not None or text_features is not None:
        own = partial(
            read_dataset, path_or_name, split=split, semantics=semantics, cache=cache, limits=limits, check=check
        )
        dataset = own(features=features)
        if teacher_features is not None:
            is_file = Path(teacher_features).expanduser().is_file()
            other = (
                read_dataset(teacher_features, cache=cache, limits=limits, check=check)
                if is_file
                else own(features=os.fspath(teacher_features))
            )
            dataset = with_teacher_features(dataset, other)
        if text_features is not None:
            dataset = with_text_features(dataset, text_features, limits)
        check(dataset)
        return dataset
    if is_semantics_file(semantics):
        plain = read_dataset(path_or_name, features=features, split=split, cache=cache, limits=limits, check=check)
        return with_semantics(plain, semantics, limits)
    semantics = str(semantics)
    path = Path(path_or_name).expanduser()
    named = isinstance(path_or_name, str) and is_name(path_or_name)
    if path.is_dir() and not named:
        return read_directory(
            path, features=features, split=split, semantics=semantics, cache=cache, limits=limits, check=check
        )
    if not named and not path.exists():
        raise _missing(path_or_name, path)
    for option, value in (("features", features), ("split", split), ("semantics", semantics)):
        if value not in (None, "att"):
            raise ConfigError(
                f"{option}={value!r} chooses within a directory, and {path_or_name} is none; leave it out"
            )
    dataset = read_named(str(path_or_name)) if named else _read_file(path, limits)
    check(dataset)
    return dataset


def _missing(given: str | os.PathLike[str], path: Path) -> DataError:
    """Return the error about a path that leads nowhere; ``./digits`` was meant as one, and is no misspelt name."""
    if is_name(str(path)):
        return DataError(f"{os.fspath(given)}: no such file or directory; the dataset of that name is {str(path)!r}")
    hint = did_you_mean(str(path).partition(":")[0], NAMES)
    return DataError(f"{path}: no such file or directory, and no dataset has that name{hint}")


def _read_file(path: Path, limits: Limits) -> GZSLDataset:
    if path.suffix == ".npz":
        return read_npz(path, limits)
    if path.suffix == SUFFIX:
        dataset = read_converted(path, limits)
        check_sources(path, dataset.provenance)
        return dataset
    what = "give the directory that holds it" if path.suffix == ".mat" else f"expected .npz, {SUFFIX} or a directory"
    raise DataError(f"{path}: cannot be loaded on its own; {what}")
