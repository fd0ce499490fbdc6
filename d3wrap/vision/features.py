"""Images to a dataset: label, extract, join and write, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3wrap.comparison.run_lock import locked
from d3wrap.data.checks import check_dataset
from d3wrap.data.converted import write_converted
from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.tensor_file import SUFFIX as DATASET
from d3wrap.errors import ConfigError, DataError
from d3wrap.vision.extraction import Extracted, Pace, check_pace, extract
from d3wrap.vision.features_file import SUFFIX as FEATURES
from d3wrap.vision.features_file import read_features, write_features
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.images import ImageSource
from d3wrap.vision.labelling import Labelled, LabelOptions, label
from d3wrap.vision.parts import Parts, remove_parts
from d3wrap.vision.record import ENTRY, Record, identity

SHOWN = 5
ROWS = ("train", "test_seen", "test_unseen", "official_train", "official_val")


def check_out(out: Path, labels: LabelOptions, *, overwrite: bool) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` where ``out`` has the wrong ending, or is there already."""
    if labels.given and out.suffix != DATASET:
        raise ConfigError(f"--out: {out} must end in {DATASET}, as a dataset does")
    if not labels.given and out.suffix != FEATURES:
        raise ConfigError(
            f"--out: {out} must end in {FEATURES}, as features alone do; for a dataset say which classes the images "
            "are of: --split and --rows, or --semantics and --unseen"
        )
    if out.exists() and not overwrite:
        raise ConfigError(f"--out: {out} is there already: choose another file, or add --overwrite")


def extract_features(
    images: Path,
    model: ImageModel,
    out: Path,
    *,
    labels: LabelOptions | None = None,
    pace: Pace | None = None,
    skip_broken: bool = False,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> Record:
    """Write the features of ``images`` to ``out``: a dataset with ``labels``, else a file of features alone.

    Parts that are done are kept in ``OUT.parts`` until the end, and gone on with when the same call is made again.
    ``say`` is told what somebody should know, ``on_done`` how many images of how many are done. Raises
    :class:`~d3wrap.errors.DataError` for broken images, once all others are done, unless ``skip_broken`` leaves them
    out, and what :func:`~d3wrap.vision.labelling.label` and :func:`~d3wrap.vision.extraction.extract` raise.
    """
    labels, pace = labels or LabelOptions(), pace or Pace()
    check_out(out, labels, overwrite=overwrite)
    check_pace(model, pace)
    source = ImageSource(images)
    labelled = label(source.names, labels, str(images), out.stem) if labels.given else None
    names = labelled.images if labelled else source.names
    for note in labelled.notes if labelled else ():
        say(note)
    folder = out.with_name(f"{out.name}.parts")
    if overwrite:
        remove_parts(folder)
    parts = Parts(folder, identity(model, pace, source, names))
    with locked(folder):
        if parts.resumed:
            say(f"going on with what {folder} holds")
        found = extract(model, source, names, pace, parts, lambda done: on_done(done, len(names)))
        if found.broken and not skip_broken:
            raise DataError(_broken(found, names, source, folder))
        record = Record.of(model, pace, source, names, found)
        if labelled is None:
            write_features(found.features, record, out)
        else:
            _write(labelled, found.kept, found.features, record, out)
    parts.remove()
    return record


def join_features(
    features: Path,
    labels: LabelOptions,
    out: Path,
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Record:
    """Write a dataset of features that were extracted alone before; see :func:`extract_features`.

    Rows whose image was broken then are left out.
    """
    if not labels.given:
        raise ConfigError("say which classes the images are of: --split and --rows, or --semantics and --unseen")
    check_out(out, labels, overwrite=overwrite)
    numbers, record = read_features(features)
    labelled = label((*record.images, *record.broken), labels, str(features), out.stem)
    for note in labelled.notes:
        say(note)
    row_of = {name: row for row, name in enumerate(record.images)}
    kept = [place for place, name in enumerate(labelled.images) if name in row_of]
    rows = [row_of[labelled.images[place]] for place in kept]
    joined = record.rows(rows)
    _write(labelled, kept, numbers[rows], joined, out)
    return joined


def _write(labelled: Labelled, kept: Sequence[int], features: Tensor, record: Record, out: Path) -> None:
    dataset = filled(labelled.dataset, kept, features, record)
    check_dataset(dataset)
    write_converted(dataset, out, {ENTRY: record.plain()})


def filled(dataset: GZSLDataset, kept: Sequence[int], features: Tensor, record: Record) -> GZSLDataset:
    """Return the dataset with features ``[m, d]`` of its rows ``kept``, and without the others."""
    number = torch.full((len(dataset.labels),), -1)
    number[list(kept)] = torch.arange(len(kept))
    rows: dict[str, Any] = {}
    for name in ROWS:
        before = getattr(dataset, name)
        if before is not None:
            rows[name] = number[before][number[before] >= 0]
    return replace(
        dataset,
        features=features,
        labels=dataset.labels[list(kept)],
        provenance={**dataset.provenance, **record.provenance()},
        **rows,
    )


def _broken(found: Extracted, names: Sequence[str], source: ImageSource, folder: Path) -> str:
    lines = [f"{names[place]}: {reason}" for place, reason in found.broken.items()]
    listing = folder / "broken.txt"
    listing.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join(
        [
            f"{source.path}: {len(lines):,} of {len(names):,} images {'is' if len(lines) == 1 else 'are'} broken:",
            *lines[:SHOWN],
            *more,
            f"All are listed in {listing}. Mend them, or add --skip-broken to leave them out; the others are done and "
            "will not be computed again.",
        ]
    )
