"""The validation world: a benchmark of its own, cut out of the training rows, in which everything is chosen."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.data.splits import hold_out
from d3wrap.errors import DataError
from d3wrap.seeds import stream

HELD_OUT = 0.2
"""Share of the images of each class that stays seen which tests it in the validation world."""

FOLDS = 3
"""Validation worlds of a benchmark that has no validation classes of its own."""


def validation_world(dataset: GZSLDataset, *, seed: int, fold: int | None = None) -> GZSLDataset:
    """Cut a benchmark out of the training rows alone: some seen classes play the unseen ones.

    These are the benchmark's own validation classes where it has them (``fold`` ``None``); else, and for ``fold``
    0, 1, …, the seen classes are shuffled by ``seed`` and dealt out, so that folds 0 … k − 1 share no class, in the
    proportion that seen and unseen classes have. Of the others 20 % of the images are held out to test. Class ids are
    new (places among the seen classes); features are unscaled and scaled again by the rows that are left to train on.
    Raises :class:`~d3wrap.errors.DataError` where there are too few classes or images, or no such fold.
    """
    train = dataset.train
    labels = torch.searchsorted(dataset.seen, dataset.labels[train])
    chosen = _official(dataset) if fold is None else None
    how = "the benchmark's validation classes"
    if chosen is None:
        chosen, count = _dealt(dataset, seed, fold or 0)
        how = f"fold {fold or 0} of {count}, seed {seed}"
    everything = torch.arange(len(dataset.seen), device=labels.device)
    kept = everything[~torch.isin(everything, chosen)]
    _check_images(dataset, labels, kept)
    left, held_out = (rows.to(labels.device) for rows in hold_out(labels.cpu(), kept.cpu(), HELD_OUT, seed))
    features = dataset.features[train]
    scaler = None
    if dataset.scaler is not None:
        features = dataset.scaler.inverse(features)
        scaler = MinMaxScaler.fit(features[left], jointly=dataset.image_shape is not None)
        features = scaler.transform(features)
    return replace(
        dataset,
        features=features,
        labels=labels,
        semantics=dataset.semantics[dataset.seen],
        seen=kept,
        unseen=chosen,
        train=left,
        test_seen=held_out,
        test_unseen=torch.isin(labels, chosen).nonzero().squeeze(1),
        class_names=tuple(dataset.class_names[index] for index in dataset.seen.tolist()),
        provenance={**dataset.provenance, "split": f"validation world in {dataset.provenance['split']}: {how}"},
        scaler=scaler,
        teacher_features=None if dataset.teacher_features is None else dataset.teacher_features[train],
        text_features=None if dataset.text_features is None else dataset.text_features[dataset.seen],
        official_train=None,
        official_val=None,
    )


def world_folds(dataset: GZSLDataset, count: int | None = None) -> list[int | None]:
    """Return which folds to validate in, at most ``count``: values for ``fold`` of :func:`validation_world`.

    The benchmark's own validation classes come first where it has them. ``None`` is these alone, or :data:`FOLDS` drawn
    ones where it has none.
    """
    drawn: list[int | None] = list(range(num_folds(dataset)))
    own: list[int | None] = [] if _official(dataset) is None else [None]
    return [*own, *drawn][: count or len(own) or FOLDS]


def num_folds(dataset: GZSLDataset) -> int:
    """Return into how many validation worlds the seen classes can be dealt that share no pseudo-unseen class."""
    return len(dataset.seen) // _size(dataset)


def _official(dataset: GZSLDataset) -> Tensor | None:
    """Return the places of the benchmark's validation classes among the seen ones, ``None`` where it has none."""
    if dataset.official_val is None:
        return None
    classes = dataset.labels[dataset.official_val].unique()
    if dataset.official_train is not None:  # a class trained on there is no validation class
        classes = classes[~torch.isin(classes, dataset.labels[dataset.official_train])]
    enough = 2 <= len(classes) <= len(dataset.seen) - 2
    return torch.searchsorted(dataset.seen, classes) if enough else None


def _dealt(dataset: GZSLDataset, seed: int, fold: int) -> tuple[Tensor, int]:
    size, count = _size(dataset), num_folds(dataset)
    if not 0 <= fold < count:
        raise DataError(f"dataset {dataset.name}: has validation folds 0 … {count - 1}, asked for {fold}")
    order = torch.randperm(len(dataset.seen), generator=stream(seed, "validation/classes"))
    return order[fold * size : (fold + 1) * size].sort().values.to(dataset.seen.device), count


def _size(dataset: GZSLDataset) -> int:
    """Return how many seen classes play unseen ones: the share that unseen classes have of all, at least two."""
    seen = len(dataset.seen)
    if seen < 4:
        raise DataError(
            f"dataset {dataset.name}: {seen} seen classes are too few for a validation world, which needs two of "
            "either kind; fix steps and settings beforehand instead"
        )
    return min(max(round(seen * len(dataset.unseen) / dataset.num_classes), 2), seen - 2)


def _check_images(dataset: GZSLDataset, labels: Tensor, kept: Tensor) -> None:
    counts = torch.bincount(labels, minlength=len(dataset.seen))[kept]
    if (counts < 2).any():
        index = int(dataset.seen[kept[counts < 2][0]])
        raise DataError(
            f"dataset {dataset.name}: class {index} ({dataset.class_names[index]}) has one training image, and a "
            "validation world needs one to train and one to test"
        )
