"""A dataset in a few numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from d3wrap.data.dataset import GZSLDataset

Summary = dict[str, Any]


def summarise(dataset: GZSLDataset) -> Summary:
    """Return sizes, splits, ranges and provenance as plain values that JSON can hold."""
    per_class = dataset.labels.bincount(minlength=dataset.num_classes)
    to_train_on = dataset.train_labels.bincount(minlength=dataset.num_classes)[dataset.seen]
    return {
        "name": dataset.name,
        "images": len(dataset.labels),
        "feature_dim": dataset.feature_dim,
        "semantic_dim": dataset.semantic_dim,
        "classes": {"seen": len(dataset.seen), "unseen": len(dataset.unseen)},
        "rows": {
            "train": len(dataset.train),
            "test_seen": len(dataset.test_seen),
            "test_unseen": len(dataset.test_unseen),
        },
        "train_fraction": dataset.train_fraction,
        "official_rows": {
            name: len(rows)
            for name, rows in (("train", dataset.official_train), ("val", dataset.official_val))
            if rows is not None
        },
        "images_per_class": {"min": int(per_class.min()), "max": int(per_class.max())},
        "train_rows_per_class": {"min": int(to_train_on.min()), "max": int(to_train_on.max())},
        "feature_range": _range(dataset.features),
        "semantic_range": _range(dataset.semantics),
        "unseen_classes": [dataset.class_names[index] for index in dataset.unseen.tolist()],
        "provenance": dict(dataset.provenance),
    }


def _range(values: Tensor) -> dict[str, float]:
    return {"min": float(values.min()), "max": float(values.max())}
