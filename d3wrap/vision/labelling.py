"""Say of which class images are and how they are split: a dataset that lacks nothing but its features."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.data.checks import check_dataset
from d3wrap.data.class_matching import comparable, listed, places_by_name
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.described import with_semantics
from d3wrap.data.limits import DEFAULT_LIMITS
from d3wrap.data.splits import hold_out
from d3wrap.data.xlsa17 import with_split
from d3wrap.data.xlsa17_files import Sources
from d3wrap.errors import ConfigError, DataError, did_you_mean
from d3wrap.files import sha256_of
from d3wrap.seeds import stream
from d3wrap.vision.class_table import ClassTable, read_class_table
from d3wrap.vision.matching import match_images
from d3wrap.vision.rows_file import SPLITS, Rows, of_folders, read_rows
from d3wrap.vision.weights_files import existing


@dataclass(frozen=True)
class LabelOptions:
    """Where classes, semantics and splits come from; see :func:`label`."""

    rows: Path | None = None
    """``.mat`` with ``labels`` and ``image_files``, or ``.csv``; ``None``: the folders that images are in."""
    split: Path | None = None
    """A split file of the xlsa17 format, its rows those of ``rows``."""
    semantics: str | None = None
    """A variable of the split file (``att``), or a file."""
    class_names: Path | None = None
    """Names of the split file's classes, ``NAME ID`` a line, where it has none."""
    unseen: tuple[str, ...] = ()
    """Names of the unseen classes."""
    unseen_count: int | None = None
    """How many classes to draw as unseen ones."""
    split_seed: int = 0
    test_share: float = 0.2
    """Share of each seen class's images that becomes ``test_seen``."""

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise ConfigError(f"--test-share is {self.test_share}, expected a share between 0 and 1")

    @property
    def given(self) -> bool:
        """Whether anything says how images become a dataset."""
        sources = (self.rows, self.split, self.semantics, self.class_names, self.unseen_count)
        return bool(self.unseen) or any(one is not None for one in sources)


@dataclass(frozen=True)
class Labelled:
    """A dataset in waiting."""

    dataset: GZSLDataset
    """Everything as it will be but the features, which are zeros ``[n, 1]``, a row for each image."""
    images: tuple[str, ...]
    """The name of each row's image, as the images' source has it."""
    notes: tuple[str, ...] = ()
    """What somebody should be told."""


def label(names: Sequence[str], options: LabelOptions, where: str, dataset_name: str) -> Labelled:
    """Return the dataset that these images make; ``where`` says in messages whose images they are.

    With ``options.split``: rows, classes and semantics of a benchmark, and ``options.rows`` says which image each row
    is. Else classes are named by folders or by ``options.rows``, ``options.semantics`` is a file that describes them by
    name, and the split is that of ``options.rows``, or drawn: ``options.unseen`` or ``options.unseen_count`` classes
    are unseen, and of each other class a share is held out. Raises :class:`~d3wrap.errors.ConfigError` for options
    that do not go together and :class:`~d3wrap.errors.DataError` for files that do not fit.
    """
    found = _of_benchmark(names, options, where) if options.split else _of_classes(names, options, where)
    labelled = replace(found, dataset=replace(found.dataset, name=dataset_name))
    check_dataset(labelled.dataset)
    return labelled


def _of_benchmark(names: Sequence[str], options: LabelOptions, where: str) -> Labelled:
    if options.rows is None:
        raise ConfigError("--split needs --rows, the file that says which image each of its rows is and of which class")
    if options.unseen or options.unseen_count is not None:
        raise ConfigError("--split says which classes are unseen: leave --unseen and --unseen-count out")
    split = existing(options.split or "", "a split file (.mat)")
    rows_file = existing(options.rows, "the file that says which image each row is")
    rows = read_rows(rows_file)
    if rows.splits is not None:
        raise ConfigError(f"{rows_file} has a column 'split', and --split is given as well: take one away")
    ids = rows.class_ids(str(rows_file))
    if ids is None:
        raise DataError(f"{rows_file}: names classes, expected their ids from 1, as {split.name} counts them")
    places = match_images(rows.images, names, where, str(rows_file))
    sources = Sources(split.parent, rows_file, split, options.class_names or _beside(split))
    semantics = options.semantics or "att"
    with tempfile.TemporaryDirectory(prefix="d3wrap-") as scratch:
        dataset = with_split(
            sources, ids, torch.zeros(len(ids), 1), _variable(semantics), Path(scratch), DEFAULT_LIMITS
        )  # fmt: skip
    dataset = replace(dataset, provenance={**dataset.provenance, **_digests(split, rows_file)})
    if _variable(semantics) != semantics:
        dataset = with_semantics(dataset, semantics)
    return Labelled(dataset, tuple(names[place] for place in places))


def _variable(semantics: str) -> str:
    """Return the variable of the split file to read: the usual one where a file describes the classes."""
    return "att" if Path(semantics).suffix else semantics


def _beside(split: Path) -> Path | None:
    names = split.parent / "class_names.txt"
    return names if names.is_file() else None


def _digests(*files: Path) -> dict[str, str]:
    return {f"sha256.{file.name}": sha256_of(file) for file in files}


def _of_classes(names: Sequence[str], options: LabelOptions, where: str) -> Labelled:
    if options.semantics is None:
        raise ConfigError("--semantics is missing: a file that describes each class by a vector, see docs/features.md")
    if options.class_names is not None:
        raise ConfigError("--class-names belongs to --split: leave it out")
    file = existing(options.semantics, "a file of class semantics")
    table = read_class_table(file)
    rows_file = None if options.rows is None else existing(options.rows, "a table of images")
    rows = of_folders(tuple(names)) if rows_file is None else read_rows(rows_file)
    images = tuple(names) if rows_file is None else _matched(rows, names, where, rows_file)
    table, labels, notes = _classes(rows, table, str(rows_file or where), file)
    split = _given_split(rows, options) if rows.splits else _drawn_split(labels, table, options)
    unseen_rows, train = split["test_unseen"], split["train"]
    known = _digests(file) if rows_file is None else _digests(file, rows_file)
    dataset = GZSLDataset(
        name="",
        features=torch.zeros(len(labels), 1),
        labels=labels,
        semantics=table.matrix,
        seen=labels[train].unique(),
        unseen=labels[unseen_rows].unique(),
        class_names=table.names,
        provenance={
            "features": "",
            "split": _described(rows, rows_file, options),
            "semantics": table.described,
            **known,
        },
        **split,
    )
    return Labelled(dataset, images, notes)


def _matched(rows: Rows, names: Sequence[str], where: str, file: Path) -> tuple[str, ...]:
    return tuple(names[place] for place in match_images(rows.images, names, where, str(file)))


def _classes(rows: Rows, table: ClassTable, where: str, file: Path) -> tuple[ClassTable, Tensor, tuple[str, ...]]:
    """Return the classes that have images, the class id of each row, and whom was left out."""
    places = places_by_name(table.names, str(file))
    wanted = {comparable(name): name for name in rows.classes}
    strange = [name for key, name in wanted.items() if key not in places]
    if strange:
        raise DataError(f"{file}: describes no class {listed(strange)}, of which {where} has images")
    used = [place for key, place in places.items() if key in wanted]
    left = [table.names[place] for key, place in places.items() if key not in wanted]
    number = {comparable(table.names[place]): index for index, place in enumerate(used)}
    labels = torch.tensor([number[comparable(name)] for name in rows.classes])
    notes = (f"{file.name}: {len(left)} classes without images left out: {listed(left)}",) if left else ()
    return table.chosen(used), labels, notes


def _given_split(rows: Rows, options: LabelOptions) -> dict[str, Any]:
    if options.unseen or options.unseen_count is not None:
        raise ConfigError("the table of --rows says how images are split: leave --unseen and --unseen-count out")
    given: NDArray[np.str_] = np.array(rows.splits)
    return {name: torch.from_numpy(np.flatnonzero(given == name)) for name in SPLITS}


def _drawn_split(labels: Tensor, table: ClassTable, options: LabelOptions) -> dict[str, Any]:
    unseen = _unseen(table, options)
    is_unseen = torch.isin(labels, unseen)
    seen = labels[~is_unseen].unique()
    counts = labels.bincount(minlength=len(table.names))
    few = [table.names[index] for index in seen.tolist() if counts[index] < 2]
    if few:
        raise DataError(f"class {listed(few)} has one image, expected two or more to hold some out for test_seen")
    train, test_seen = hold_out(labels, seen, options.test_share, options.split_seed)
    return {"train": train, "test_seen": test_seen, "test_unseen": is_unseen.nonzero().squeeze(1)}


def _unseen(table: ClassTable, options: LabelOptions) -> Tensor:
    classes = len(table.names)
    if options.unseen and options.unseen_count is not None:
        raise ConfigError("--unseen and --unseen-count exclude each other: leave one out")
    if options.unseen_count is not None:
        if not 0 < options.unseen_count < classes:
            raise ConfigError(f"--unseen-count is {options.unseen_count}, expected 1 … {classes - 1}")
        drawn = torch.randperm(classes, generator=stream(options.split_seed, "unseen classes"))
        return drawn[: options.unseen_count].sort().values
    if not options.unseen:
        raise ConfigError("nothing says which classes are unseen: add --unseen NAMES or --unseen-count N")
    places = places_by_name(table.names, "--semantics")
    strange = [name for name in options.unseen if comparable(name) not in places]
    if strange:
        hint = did_you_mean(strange[0], table.names) if len(strange) == 1 else f" (known: {', '.join(table.names)})"
        raise ConfigError(f"--unseen: no class with images is called {listed(strange)}{hint}")
    chosen = sorted({places[comparable(name)] for name in options.unseen})
    if len(chosen) == classes:
        raise ConfigError("--unseen names every class, expected some that are left to train on")
    return torch.tensor(chosen)


def _described(rows: Rows, file: Path | None, options: LabelOptions) -> str:
    if rows.splits:
        return file.name if file else ""
    drawn = f"{options.unseen_count} unseen classes drawn, " if options.unseen_count else ""
    return f"{drawn}{options.test_share:.0%} of each seen class held out, seed {options.split_seed}"
