"""What turns texts into vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class TextEncoder(Protocol):
    """Turns texts into vectors; the same texts give the same vectors.

    An encoder may look at all the texts of a call at once, as TF-IDF does, but a change of their order must change
    nothing but the order of the rows.
    """

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return a row for each of n texts, ``[n, k]``, finite and of a floating type; n is at least 1.

        Rows need no common norm. A row of zeros says that nothing is known of a text.
        """

    @property
    def provenance(self) -> Mapping[str, str]:
        """What the vectors depend on beside texts and settings: versions, the hash of weights, texts that were cut."""
