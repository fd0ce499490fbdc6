"""What a run keeps for the report, beside its numbers: ``artefacts.json`` in the run's folder."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.comparison.projection import principal_plane
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import DataError
from d3wrap.evaluation.curve import Curve
from d3wrap.evaluation.metrics import Metrics
from d3wrap.evaluation.modes import evaluating
from d3wrap.files import write_json
from d3wrap.generator import Generator, generate_for
from d3wrap.seeds import stream

if TYPE_CHECKING:
    from d3wrap.comparison.run_folder import RunFolder

SCHEMA = "d3wrap.artefacts/1"
FILE = "artefacts.json"
POINTS = 300
"""Points kept of a curve: more than a screen can tell apart."""
CLASSES, ROWS = 6, 40
"""Unseen classes in the projection, and features of each, real and generated."""
PICTURES = 12
"""Pictures of each unseen class, real and generated."""


def write_artefacts(
    folder: Path | RunFolder, dataset: GZSLDataset, generator: Generator, evaluation: Mapping[str, Metrics], seed: int
) -> Path:
    """Write what ``d3wrap report`` draws of a measured run into its folder, a few dozen kilobytes, and return the path.

    These are the seen–unseen curve of each classifier, and which test images it got right; names, kind and test images
    of each class; real and generated features of a few unseen classes, projected on the plane in which the real ones
    vary most; and generated pictures where features are pictures. Call it after the run was measured: it reads test
    rows. It draws from streams of its own, so nothing that follows changes. ``dataset`` is the one the run was trained
    on, test rows included.
    """
    reasons: dict[str, str] = {}
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "classes": _classes(dataset),
        "curves": {name: thin(metrics.curve) for name, metrics in evaluation.items()},
        "outcomes": {group: _outcomes(evaluation, group) for group in ("seen", "unseen")},
        "projection": None,
        "pictures": None,
        "reasons": reasons,
    }
    shown = _with_test_rows(dataset)
    try:
        content["projection"] = _projection(dataset, generator, shown, seed)
    except DataError as error:
        reasons["projection"] = str(error)
    if dataset.image_shape is not None and "projection" not in reasons:
        content["pictures"] = _pictures(dataset, generator, shown, seed, dataset.image_shape)
    path = (folder if isinstance(folder, Path) else folder.path) / FILE
    write_json(path, content)
    return path


def thin(curve: Curve, points: int = POINTS) -> dict[str, list[float]]:
    """Return U and S of at most ``points`` points of a curve, its ends among them, evenly spaced along it."""
    unseen, seen = curve.unseen, curve.seen
    if len(unseen) > points:
        # S falls and U rises all along, so the way gone is the sum of both.
        gone = np.abs(np.diff(unseen)) + np.abs(np.diff(seen))
        way = np.concatenate([[0.0], np.cumsum(gone)])
        kept = np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], points)).clip(0, len(way) - 1))
        kept[0], kept[-1] = 0, len(way) - 1
        unseen, seen = unseen[kept], seen[kept]
    return {"unseen": [round(u, 6) for u in unseen.tolist()], "seen": [round(s, 6) for s in seen.tolist()]}


def _outcomes(evaluation: Mapping[str, Metrics], group: str) -> dict[str, Any]:
    """Return the labels of test rows (int32, little-endian) and for each classifier which were right (bits)."""
    labels = getattr(next(iter(evaluation.values())).outcomes, f"{group}_labels")
    right = {name: np.packbits(getattr(one.outcomes, f"{group}_right")) for name, one in evaluation.items()}
    return {
        "labels": _base64(labels.astype("<i4").tobytes()),
        "right": {name: _base64(bits.tobytes()) for name, bits in right.items()},
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _classes(dataset: GZSLDataset) -> dict[str, dict[str, Any]]:
    tested = torch.cat([dataset.test_seen, dataset.test_unseen])
    counts = torch.bincount(dataset.labels[tested], minlength=dataset.num_classes).tolist()
    unseen = set(dataset.unseen.tolist())
    ids = sorted({*dataset.seen.tolist(), *unseen})
    return {str(c): {"name": dataset.class_names[c], "unseen": c in unseen, "test_images": counts[c]} for c in ids}


def _with_test_rows(dataset: GZSLDataset) -> list[int]:
    """Return the unseen classes that have test rows."""
    return [int(c) for c in dataset.labels[dataset.test_unseen].unique().tolist()]


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most ``count`` of ``items``, evenly spaced."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]


def _real(dataset: GZSLDataset, label: int, count: int) -> Tensor:
    rows = dataset.test_unseen[dataset.labels[dataset.test_unseen] == label]
    return dataset.features[rows[_spread(range(len(rows)), count)]]


def _generate(
    dataset: GZSLDataset, generator: Generator, classes: Sequence[int], count: int, rng: torch.Generator
) -> Tensor:
    """Return ``count`` visual features of each class, by class; raise ``DataError`` where they are none."""
    labels = torch.tensor(classes, device=dataset.semantics.device).repeat_interleave(count)
    with evaluating(generator):
        if hasattr(generator, "generate_features"):
            features: Tensor = generator.generate_features(dataset.semantics[labels], rng=rng)
        else:
            features = generate_for(generator, dataset.semantics, labels, rng)
    if features.ndim != 2 or features.shape[1] != dataset.feature_dim or not features.isfinite().all():
        raise DataError(
            f"the generator gives no visual features to compare with real ones: expected finite "
            f"[{len(labels)}, {dataset.feature_dim}], found {list(features.shape)}"
        )
    return features


def _array(features: Tensor) -> NDArray[np.float64]:
    return features.detach().cpu().double().numpy()


def _projection(dataset: GZSLDataset, generator: Generator, classes: Sequence[int], seed: int) -> dict[str, Any]:
    shown = _spread(classes, CLASSES)
    real = [_array(_real(dataset, c, ROWS)) for c in shown]
    plane = principal_plane(np.concatenate(real))
    rng = stream(seed, "report/projection", dataset.features.device)
    generated = np.split(_array(_generate(dataset, generator, shown, ROWS, rng)), len(shown))
    return {
        "explained": list(plane.explained),
        "real": {str(c): _rounded(plane.project(rows)) for c, rows in zip(shown, real, strict=True)},
        "generated": {str(c): _rounded(plane.project(rows)) for c, rows in zip(shown, generated, strict=True)},
    }


def _rounded(points: NDArray[np.float64]) -> list[list[float]]:
    return [[float(f"{x:.4g}"), float(f"{y:.4g}")] for x, y in points.tolist()]


def _pictures(
    dataset: GZSLDataset, generator: Generator, classes: Sequence[int], seed: int, shape: tuple[int, int]
) -> dict[str, Any]:
    """Return pictures as bytes, 255 for the largest real value; the same noise for both arms."""
    rng = stream(seed, "pictures", dataset.features.device)
    generated = _generate(dataset, generator, classes, PICTURES, rng).split(PICTURES)
    real = [_real(dataset, c, PICTURES) for c in classes]
    if dataset.scaler is not None:
        real = [dataset.scaler.inverse(rows) for rows in real]
        generated = tuple(dataset.scaler.inverse(rows) for rows in generated)
    black = max(float(rows.max()) for rows in real) or 1.0
    return {
        "shape": list(shape),
        "real": {str(c): _bytes(rows, black) for c, rows in zip(classes, real, strict=True)},
        "generated": {str(c): _bytes(rows, black) for c, rows in zip(classes, generated, strict=True)},
    }


def _bytes(rows: Tensor, black: float) -> str:
    levels = (rows.detach() / black).clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return _base64(levels.contiguous().numpy().tobytes())
