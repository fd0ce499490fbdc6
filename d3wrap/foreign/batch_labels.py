"""The labels of a batch that a script passes: which convention they follow, and which classes they mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError, DataError, did_you_mean
from d3wrap.foreign.arrays import is_one_hot
from d3wrap.foreign.convention import CONVENTIONS, Convention
from d3wrap.foreign.nearest import nearest_class

Labels = Tensor | NDArray[Any] | list[int]

LOOKED_UP = 64
"""So many rows of a batch are looked for among the training rows: enough to tell conventions apart, and fast."""
COLUMNS = 512
"""So many columns at least are compared; a row is known by a quarter of 2,048 as well as by all."""
AGREES = 0.9
"""The classes of rows found again must agree for this share; a near but wrong row may be found among perturbed ones."""
SETTLE = "say which with labels='global', labels='seen' or labels='block'"


def class_ids(labels: Labels, convention: Convention, dataset: GZSLDataset) -> Tensor:
    """Return the class ids (rows of ``dataset.semantics``) that a batch's ``labels [n]`` mean under ``convention``.

    int64 on the dataset's device. Raises :class:`~d3wrap.errors.DataError` for labels that are no integers, out of the
    convention's range, or of classes that are not seen, :class:`~d3wrap.errors.ConfigError` for an unknown convention.
    """
    if convention not in CONVENTIONS:
        raise ConfigError(f"labels={convention!r} is no label convention{did_you_mean(str(convention), CONVENTIONS)}")
    return _ids(_integers(labels, dataset), convention, dataset)


def find_convention(features: Tensor, labels: Labels, dataset: GZSLDataset) -> Convention:
    """Find out which convention the ``labels [n]`` of a batch of training ``features [n, d]`` follow.

    The conventions under which every label is a seen class are tried; where several are possible and mean different
    classes, up to 64 of the feature rows are looked up among the dataset's training rows. Where all that remain mean
    the same classes *for this batch*, the first of them is returned: use :class:`LabelReader` to go on watching.
    Raises :class:`~d3wrap.errors.DataError` where no convention fits or nothing tells them apart.
    """
    return _possible(features, _integers(labels, dataset), dataset, CONVENTIONS)[0]


class LabelReader:
    """Reads the labels of a script's batches, one after the other, and finds their convention on the way.

    Call it with ``(features [n, d], labels [n])``: it returns the class ids ``[n]``. A batch may fit several
    conventions that mean the same classes there; then all of them stay possible, and a later batch decides. Once one
    is left (or is given as ``convention``), features are no longer looked at.
    """

    def __init__(self, dataset: GZSLDataset, convention: Convention | None = None) -> None:
        if convention is not None and convention not in CONVENTIONS:
            raise ConfigError(f"labels={convention!r} is no label convention{did_you_mean(convention, CONVENTIONS)}")
        self._dataset = dataset
        self._possible = CONVENTIONS if convention is None else (convention,)
        self._settled = convention is not None

    @property
    def convention(self) -> Convention | None:
        """The convention of the batches so far, ``None`` while several are possible or no batch was read."""
        return self._possible[0] if self._settled else None

    def __call__(self, features: Tensor, labels: Labels) -> Tensor:
        """Return the class ids of a batch; raises as :func:`class_ids` and :func:`find_convention` do."""
        values = _integers(labels, self._dataset)
        if not self._settled:
            self._possible = _possible(features, values, self._dataset, self._possible)
            tables = [_table(convention, self._dataset)[: len(self._dataset.seen)] for convention in self._possible]
            # "seen" and "block" are the same for training images, and so is "global" where the seen ids come first
            self._settled = all(torch.equal(tables[0], table) for table in tables)
        return _ids(values, self._possible[0], self._dataset)


def _possible(
    features: Tensor, values: Tensor, dataset: GZSLDataset, conventions: tuple[Convention, ...]
) -> tuple[Convention, ...]:
    """Return those of ``conventions`` that fit the batch and mean the same classes in it."""
    fitting: dict[Convention, Tensor] = {}
    refusals = []
    for convention in conventions:
        try:
            fitting[convention] = _ids(values, convention, dataset)
        except DataError as error:
            refusals.append(f"{convention}: {error}")
    if not fitting:
        raise DataError("the labels of the batch follow no known convention. " + " | ".join(refusals))
    ids = torch.stack(list(fitting.values()))
    differ = (ids != ids[0]).any(0)
    rows = (differ if bool(differ.any()) else torch.ones_like(differ)).nonzero().squeeze(1)
    rows = rows[torch.linspace(0, len(rows) - 1, min(LOOKED_UP, len(rows))).long().to(rows.device)]
    classes, clear = _look_up(features, rows, dataset)
    agreement = [float((one == classes)[clear].float().mean()) for one in ids[:, rows]]
    what = f"labels from {int(values.min())} to {int(values.max())}"
    if not bool(clear.any()):
        if not bool(differ.any()):
            return tuple(fitting)
        raise DataError(
            f"{what} can be read as {' or '.join(fitting)}, and none of {len(rows)} rows of the batch is found again "
            f"among the training features: {SETTLE}"
        )
    right = tuple(name for name, share in zip(fitting, agreement, strict=True) if share >= AGREES)
    if right:
        return right
    shares = ", ".join(f"{name} {share:.0%}" for name, share in zip(fitting, agreement, strict=True))
    raise DataError(
        f"{what} do not fit the features: of {int(clear.sum())} rows found again among the training features the "
        f"classes agree for {shares}. Pass features and labels of the same images; if they are, {SETTLE}"
    )


def _look_up(features: Tensor, rows: Tensor, dataset: GZSLDataset) -> tuple[Tensor, Tensor]:
    """Return classes of the nearest training rows and whether they are clear; not clear for features of other width."""
    nothing = torch.zeros(len(rows), dtype=torch.bool, device=dataset.features.device)
    if features.ndim > 2:
        features = features.flatten(1)
    if features.ndim != 2 or features.shape[1] != dataset.feature_dim:
        return rows.to(nothing.device), nothing
    step = max(dataset.feature_dim // COLUMNS, 1)
    known = train_rows(dataset)[:, ::step].contiguous()
    chosen = features.detach()[rows.to(features.device), ::step].to(known)
    found = nearest_class(chosen, known, dataset.labels[dataset.train], dataset.num_classes)
    return found.classes, found.clear


def train_rows(dataset: GZSLDataset) -> Tensor:
    """Return the training features ``[n_train, d]``, without a copy where they are the dataset's first rows."""
    train = dataset.train
    if torch.equal(train, torch.arange(len(train), device=train.device)):
        return dataset.features[: len(train)]
    return dataset.train_features


def _table(convention: Convention, dataset: GZSLDataset) -> Tensor:
    """Return the class id of every number the convention knows."""
    if convention == "global":
        return torch.arange(dataset.num_classes, device=dataset.seen.device)
    return dataset.seen if convention == "seen" else torch.cat([dataset.seen, dataset.unseen])


def _ids(values: Tensor, convention: Convention, dataset: GZSLDataset) -> Tensor:
    table = _table(convention, dataset)
    low, high = (int(value) for value in torch.aminmax(values))
    if low < 0 or high >= len(table):
        raise DataError(
            f"labels run from {low} to {high}, and as {convention!r} they must lie in 0 … {len(table) - 1}"
            f"{'; if they count from 1, pass labels - 1' if low >= 1 and high == len(table) else ''}: {SETTLE}"
        )
    ids = table[values]
    strange = ids[~torch.isin(ids, dataset.seen)].unique()
    if len(strange):
        shown = ", ".join(f"{index} ({dataset.class_names[index]})" for index in strange[:3].tolist())
        raise DataError(
            f"as {convention!r} the labels mean {len(strange)} classes that are not seen, e.g. class {shown}: pass "
            f"real images of seen classes alone, or {SETTLE}"
        )
    return ids


def _integers(labels: Labels, dataset: GZSLDataset) -> Tensor:
    """Return a batch's labels as int64 ``[n]`` on the dataset's device."""
    tensor = labels.detach() if isinstance(labels, Tensor) else torch.as_tensor(np.asarray(labels))
    shape = tuple(tensor.shape)
    if tensor.ndim == 2 and shape[1] > 1:
        what = "look one-hot" if is_one_hot(tensor) else "are a table"
        raise DataError(f"the labels of the batch {what}, shape {shape}: pass one number per row, labels.argmax(1)")
    if tensor.numel() == 0 or tensor.ndim == 0 or tensor.numel() != shape[0]:
        raise DataError(f"the labels of the batch have shape {shape}, expected [n], one class number per row")
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise DataError(f"the labels of the batch are {tensor.dtype}, expected integers: pass labels.long()")
    return tensor.reshape(-1).to(dataset.labels.device, torch.int64)
