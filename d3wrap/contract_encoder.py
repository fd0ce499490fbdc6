"""What every text encoder must do, as checks that run on a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from d3wrap.contract import Check, global_stream_untouched, require, tried
from d3wrap.semantics.encoder import TextEncoder
from d3wrap.specs import EncoderSettings, EncoderSpec

TEXTS = (
    "A zebra has black and white stripes.",
    "A lemon is a yellow, sour fruit.",
    "A horse is large, brown and gallops over grass.",
    "An oak is a large tree with lobed leaves.",
    "Ein Öchslein frisst grünes Gras.",
)


def encoder_checks(spec: EncoderSpec, settings: EncoderSettings | None = None) -> Iterator[Check]:
    """Yield each check of an encoder as it is done, with ``settings`` or its own; stops where it cannot be built."""
    made: list[Any] = []
    first = tried("builds", lambda: made.append(spec.build(settings or spec.settings(), torch.device("cpu"))))
    yield first
    if first.fault is None:
        encoder: TextEncoder = made[0]
        yield tried("gives a finite row for each text and says what they depend on", _rows, encoder)
        yield tried("gives the same again", _again, encoder)
        yield tried("gives the same in another order", _reordered, encoder)


def _encoded(encoder: TextEncoder, texts: tuple[str, ...]) -> Tensor:
    with global_stream_untouched():
        return encoder.encode(texts)


def _rows(encoder: TextEncoder) -> None:
    for texts in (TEXTS, TEXTS[:1]):
        rows = _encoded(encoder, texts)
        found = f"{type(rows).__name__} {list(getattr(rows, 'shape', []))}"
        right = isinstance(rows, Tensor) and rows.ndim == 2 and len(rows) == len(texts) and rows.is_floating_point()
        require(right, f"encode() gave {found} for {len(texts)} texts, expected a floating tensor [{len(texts)}, k]")
        require(bool(rows.isfinite().all()), "encode() gave values that are NaN or infinite")
        require(not rows.requires_grad, "encode() gave rows with gradients; put it under torch.no_grad()")
    said = dict(encoder.provenance)
    require(all(isinstance(text, str) for text in (*said, *said.values())), f"provenance is {said}, expected texts")


def _again(encoder: TextEncoder) -> None:
    same = torch.equal(_encoded(encoder, TEXTS), _encoded(encoder, TEXTS))
    require(same, "encode() gave other rows the second time")


def _reordered(encoder: TextEncoder) -> None:
    rows, others = _encoded(encoder, TEXTS), _encoded(encoder, TEXTS[::-1]).flip(0)
    # Cosines, since a basis that is found from the texts may be another one.
    cosines, again = (torch.nn.functional.normalize(one.detach().double(), dim=1) for one in (rows, others))
    apart = float((cosines @ cosines.T - again @ again.T).abs().max())
    require(apart < 1e-3, f"cosines between rows change by {apart:.2g} with the order of the texts")
