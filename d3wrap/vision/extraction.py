"""Images to features, in batches that are always the same, with what is done kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from d3wrap.errors import ConfigError, DataError, ShapeError
from d3wrap.training.precision import Precision, computing
from d3wrap.vision.decoding import BrokenImageError, decode
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.images import ImageSource
from d3wrap.vision.parts import Part, Parts

PART = 256
"""Images per part on disk, about: a whole number of batches."""


@dataclass(frozen=True)
class Pace:
    """How an extraction is cut up and computed; all of it decides the last bits of a number but ``workers``."""

    batch_size: int = 32
    precision: Precision = "exact"
    workers: int = 2
    """Threads that read and decode images."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 1:
            raise ConfigError(
                f"batch size is {self.batch_size} and workers is {self.workers}, expected 1 or more of each"
            )


@dataclass(frozen=True)
class Extracted:
    """Features of the images that could be decoded, and what is known of all of them."""

    features: Tensor
    """``[m, d]`` float32, m ≤ n: a row for each image that is not broken, in the order of the list."""
    digests: tuple[str, ...]
    """SHA-256 of each of the n images' content."""
    broken: dict[int, str]
    """What is wrong with an image, by its place in the list."""

    @property
    def kept(self) -> list[int]:
        """The places of the rows of ``features`` in the list."""
        return [place for place in range(len(self.digests)) if place not in self.broken]


def extract(
    model: ImageModel,
    source: ImageSource,
    names: Sequence[str],
    pace: Pace,
    parts: Parts,
    on_done: Callable[[int], None] = lambda count: None,
) -> Extracted:
    """Return the features of the images ``names``, taking from ``parts`` what is there and putting there what is not.

    A part whose images have changed since is computed again. Every batch has ``pace.batch_size`` images, the last
    filled up with zeros, so that no feature depends on how many images follow. ``on_done`` is told how many images
    are done. Broken images are left out and reported, never raised. Raises :class:`~d3wrap.errors.ShapeError` where
    the network does not give a vector per image, and :class:`~d3wrap.errors.DataError` where it gives NaN or infinity.
    """
    check_pace(model, pace)
    length = max(PART // pace.batch_size, 1) * pace.batch_size
    starts = range(0, len(names), length)
    known = {start: part for start in starts if (part := _known(source, names[start : start + length], parts, start))}
    count = sum(len(part.digests) for part in known.values())
    on_done(count)
    missing = [start for start in starts if start not in known]
    todo = [name for start in missing for name in names[start : start + length]]
    with _ahead(lambda name: _prepared(model, source, name), todo, pace) as prepared:
        for start in missing:
            known[start] = _part(model, names[start : start + length], start, prepared, pace, _counting(on_done, count))
            parts.write(start, known[start])
            count += len(known[start].digests)
    ordered = [known[start] for start in starts]
    broken = {place: reason for part in ordered for place, reason in part.broken.items()}
    rows = [part.features for part in ordered if len(part.features)]
    if not rows:
        raise DataError(f"{source.path}: none of the {len(names):,} images can be decoded; the first: {broken[0]}")
    return Extracted(torch.cat(rows), tuple(digest for part in ordered for digest in part.digests), broken)


def check_pace(model: ImageModel, pace: Pace) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` where the network cannot be run like that."""
    if model.batch_size is not None and pace.batch_size != model.batch_size:
        raise ConfigError(
            f"{model.name} takes {model.batch_size} images at once, and the batch size is {pace.batch_size}: "
            f"add --batch-size {model.batch_size}"
        )
    if pace.precision not in model.precisions:
        raise ConfigError(f"precision is {pace.precision!r}, and {model.name} knows {', '.join(model.precisions)}")


def _known(source: ImageSource, names: Sequence[str], parts: Parts, start: int) -> Part | None:
    """Return the part on disk, if it is of these images as they are now."""
    part = parts.read(start)
    if part is None or len(part.digests) != len(names):
        return None
    same = all(_digest(source, name)[0] == digest for name, digest in zip(names, part.digests, strict=True))
    return part if same else None


def _digest(source: ImageSource, name: str) -> tuple[str, bytes | BrokenImageError]:
    """Return an image's SHA-256 and its content; where that cannot be read the digest is of the reason."""
    try:
        content = source.read(name)
    except BrokenImageError as error:
        return f"unreadable: {error.reason}", error
    return hashlib.sha256(content).hexdigest(), content


def _prepared(model: ImageModel, source: ImageSource, name: str) -> tuple[str, Tensor | str]:
    """Return an image's digest, and the network's input for it or what is wrong with it."""
    digest, content = _digest(source, name)
    if isinstance(content, BrokenImageError):
        return digest, content.reason
    try:
        return digest, model.preprocessing(decode(content, name))
    except BrokenImageError as error:
        return digest, error.reason


@contextlib.contextmanager
def _ahead(function: Callable[[str], Any], items: Sequence[str], pace: Pace) -> Iterator[Iterator[Any]]:
    """Yield an iterator over the results in order, which threads compute two batches ahead of."""
    pool = ThreadPoolExecutor(pace.workers)
    waiting: deque[Future[Any]] = deque()

    def results() -> Iterator[Any]:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * pace.batch_size:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)


def _counting(on_done: Callable[[int], None], before: int) -> Callable[[int], None]:
    return lambda count: on_done(before + count)


def _part(
    model: ImageModel,
    names: Sequence[str],
    start: int,
    prepared: Iterator[tuple[str, Tensor | str]],
    pace: Pace,
    on_done: Callable[[int], None],
) -> Part:
    digests: list[str] = []
    broken: dict[int, str] = {}
    rows: list[Tensor] = []
    batch: list[tuple[str, Tensor]] = []
    for name in names:
        digest, found = next(prepared)
        if isinstance(found, str):
            broken[start + len(digests)] = found
        else:
            batch.append((name, found))
        digests.append(digest)
        if len(batch) == pace.batch_size or (batch and len(digests) == len(names)):
            rows.append(_features(model, batch, pace))
            batch = []
            on_done(len(digests))
    return Part(torch.cat(rows) if rows else torch.empty(0, 0), tuple(digests), broken)


def _features(model: ImageModel, batch: Sequence[tuple[str, Tensor]], pace: Pace) -> Tensor:
    height, width = model.preprocessing.size
    images = torch.zeros(pace.batch_size, 3, height, width)
    for row, (_, image) in enumerate(batch):
        images[row] = image
    with torch.inference_mode(), computing(pace.precision, torch.device(model.device)):
        found = model.features(images)
    if not isinstance(found, Tensor) or found.ndim < 2 or len(found) != len(images) or found.shape[2:].numel() != 1:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ShapeError(
            f"{model.name}: gives {shape} for {len(images)} images, expected a vector for each, ({len(images)}, d); "
            "take the network without its head, and pooled"
        )
    rows = found.flatten(1)[: len(batch)].to("cpu", torch.float32)
    finite = torch.isfinite(rows).all(1)
    if not finite.all():
        name = batch[int((~finite).nonzero()[0])][0]
        raise DataError(f"{model.name}: the features of {name} are NaN or infinite; try --precision exact")
    return rows.clone()
