"""Limited data: keep a fraction of each seen class's training rows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.seeds import stream


def check_fraction(fraction: float) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` unless 0 < ``fraction`` ≤ 1."""
    number = isinstance(fraction, int | float) and not isinstance(fraction, bool)
    if not number or not 0 < fraction <= 1:
        raise ConfigError(f"train_fraction: expected a number above 0 and at most 1, found {fraction!r}")


def keep_fraction(dataset: GZSLDataset, fraction: float, seed: int = 0) -> GZSLDataset:
    """Return an unscaled dataset with ``fraction`` of each class's training rows, at least one; 1 keeps it as it is.

    With one seed, the rows of a smaller fraction are among those of a larger one. Features and test rows stay;
    ``official_train`` and ``official_val`` lose what ``train`` loses. Raises :class:`~d3wrap.errors.ConfigError` for a
    fraction outside 0 < f ≤ 1, and where rows were dropped or features scaled before.
    """
    check_fraction(fraction)
    if fraction == 1:
        return dataset
    if dataset.train_fraction != 1 or dataset.scaler is not None:
        raise ConfigError(f"dataset {dataset.name}: is scaled or a fraction already; take the fraction of its source")
    kept = _kept(dataset.train, dataset.labels, fraction, seed)
    return replace(
        dataset,
        train=kept,
        train_fraction=float(fraction),
        official_train=_among(dataset.official_train, kept),
        official_val=_among(dataset.official_val, kept),
        provenance={**dataset.provenance, "train_fraction": f"{float(fraction)}, seed {seed}"},
    )


def _kept(train: Tensor, labels: Tensor, fraction: float, seed: int) -> Tensor:
    """Return the rows to keep, in the order of ``train``."""
    rng = stream(seed, "train fraction")
    keep = torch.zeros(len(train), dtype=torch.bool, device=train.device)
    classes = labels[train]
    for index in classes.unique().tolist():
        places = (classes == index).nonzero().squeeze(1)
        # The permutation does not depend on the fraction, so a smaller one is the beginning of a larger one.
        places = places[torch.randperm(len(places), generator=rng).to(places)]
        keep[places[: max(round(fraction * len(places)), 1)]] = True
    return train[keep]


def _among(rows: Tensor | None, kept: Tensor) -> Tensor | None:
    return None if rows is None else rows[torch.isin(rows, kept)]
