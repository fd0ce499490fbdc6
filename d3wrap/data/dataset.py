"""The one shape every dataset takes: features, semantics, and an explicit seen/unseen split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from d3wrap.data.scaling import MinMaxScaler


@dataclass(frozen=True)
class GZSLDataset:
    """Visual features and class semantics of one generalized zero-shot benchmark.

    Class ids are the rows of ``semantics``, as in the source (xlsa17's ids less one); they are never
    renumbered. ``train``, ``test_seen`` and ``test_unseen`` are row indices into ``features``.

    Shapes: features ``[n, d]`` float, labels ``[n]`` int64, semantics ``[C, k]`` float, seen and unseen
    sorted int64 class ids that share no id.
    """

    name: str
    features: Tensor
    labels: Tensor
    semantics: Tensor
    seen: Tensor
    unseen: Tensor
    train: Tensor
    test_seen: Tensor
    test_unseen: Tensor
    class_names: tuple[str, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Where the numbers came from: ``features``, ``split``, ``semantics`` (names) and ``sha256.<file>``; of a dataset
    with part of its training rows also ``train_fraction``."""
    scaler: MinMaxScaler | None = None
    """The min–max scaling already applied to ``features``; ``None`` when they are as in the source."""
    image_shape: tuple[int, int] | None = None
    """Height and width when a feature vector is itself a picture (``digits``)."""
    official_train: Tensor | None = None
    """The benchmark's own train rows, intersected with ``train``; ``None`` when the source has none."""
    official_val: Tensor | None = None
    """The benchmark's own validation rows, intersected with ``train``."""
    teacher_features: Tensor | None = None
    """Image features ``[n, e]`` that a vision–language teacher has of the same rows."""
    text_features: Tensor | None = None
    """Text features ``[C, e]`` that it has of the classes."""
    train_fraction: float = 1.0
    """Share of each seen class's training rows that ``train`` still has; the others are in no split."""

    @property
    def feature_dim(self) -> int:
        """Width d of a feature."""
        return int(self.features.shape[1])

    @property
    def semantic_dim(self) -> int:
        """Width k of a class's semantics."""
        return int(self.semantics.shape[1])

    @property
    def num_classes(self) -> int:
        """Number of classes C, seen and unseen together."""
        return int(self.semantics.shape[0])

    @property
    def train_features(self) -> Tensor:
        """Real features of seen classes to train on, ``[n_train, d]``."""
        return self.features[self.train]

    @property
    def train_labels(self) -> Tensor:
        """Class ids of :attr:`train_features`, ``[n_train]``."""
        return self.labels[self.train]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GZSLDataset:
        """Return the dataset on another device; ``dtype`` changes features and semantics alone."""
        moved: dict[str, Any] = {
            name: value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)
