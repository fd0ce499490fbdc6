"""Say which texts are longer than an encoder reads."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from d3wrap.errors import D3WrapWarning


def note_cut(encoder: str, lengths: Sequence[int], limit: int) -> dict[str, str]:
    """Warn where texts have more tokens than ``limit``, and return how many, for an encoder's provenance."""
    cut = sum(length > limit for length in lengths)
    if not cut:
        return {}
    warnings.warn(
        D3WrapWarning(
            f"encoder {encoder} reads {limit} tokens: of {len(lengths)} texts {cut} are longer (up to {max(lengths)}), "
            "and what is behind is not read; shorten the descriptions, or put the description first in the template"
        ),
        stacklevel=3,
    )
    return {"texts cut": f"{cut} of {len(lengths)}, to {limit} tokens"}
