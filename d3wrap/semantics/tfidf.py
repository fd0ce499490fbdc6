"""The text encoder that needs no weights: TF-IDF of the words, reduced by SVD (latent semantic analysis).

Deerwester et al., *Indexing by Latent Semantic Analysis*, JASIS 1990. With words w, texts i and n texts in all,

    x_iw = (1 + ln tf_iw) · ln((1 + n) / (1 + df_w)),   rows scaled to norm 1,   X = U S Vᵀ,   z_i = U_i S.

A word of every text weighs 0, so what a template puts around names and descriptions does not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.errors import ConfigError
from d3wrap.hookspecs import hookimpl
from d3wrap.specs import EncoderSettings, EncoderSpec

_WORD = re.compile(r"\w\w+")
_NEGLIGIBLE = 1e-6
"""Singular values below this share of the largest are rounding."""


@dataclass(frozen=True)
class TfidfSettings(EncoderSettings):
    """What is counted, and how much is kept of it."""

    dims: int = 32
    """Most dimensions to keep; fewer where the texts have fewer, at most one per text. 0 keeps all."""
    ngrams: int = 1
    """Longest sequence of words that counts as one: 2 counts pairs of neighbouring words as well."""

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        if self.dims < 0:
            raise ConfigError(f"dims is {self.dims}, expected 0 or more")
        if self.ngrams < 1:
            raise ConfigError(f"ngrams is {self.ngrams}, expected 1 or more")


class Tfidf:
    """Encodes texts by their words; what a word weighs is found from all the texts of a call."""

    provenance: Mapping[str, str] = {}

    def __init__(self, settings: TfidfSettings, device: torch.device) -> None:
        # Half a second on a CPU for thousands of texts: the device is not worth a transfer.
        self.settings = settings

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return ``[n, k]`` in float64, k ≤ ``dims``, columns by falling singular value; no two words: a row of 0."""
        weights = weighted_counts([terms(text, self.settings.ngrams) for text in texts])
        return torch.from_numpy(reduced(weights, self.settings.dims))


def terms(text: str, ngrams: int = 1) -> list[str]:
    """Return the words of a text, of two letters or digits and more, in lower case, and their sequences."""
    words = _WORD.findall(text.casefold())
    return [" ".join(words[i : i + n]) for n in range(1, ngrams + 1) for i in range(len(words) - n + 1)]


def weighted_counts(documents: Sequence[Sequence[str]]) -> scipy.sparse.csr_array:
    """Return X ``[n, words]`` of the equation above, words in alphabetical order."""
    counts = [Counter(document) for document in documents]
    frequency = Counter(word for count in counts for word in count)
    column = {word: place for place, word in enumerate(sorted(frequency))}
    n = len(documents)
    rows, columns, values = [], [], []
    for row, count in enumerate(counts):
        for word in sorted(count):
            rows.append(row)
            columns.append(column[word])
            values.append((1 + np.log(count[word])) * np.log((1 + n) / (1 + frequency[word])))
    weights = scipy.sparse.csr_array((values, (rows, columns)), shape=(n, max(len(column), 1)), dtype=np.float64)
    norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / np.where(norms > 0, norms, 1)) @ weights)


def reduced(weights: scipy.sparse.csr_array, dims: int) -> NDArray[np.float64]:
    """Return U S of the largest singular values, the largest entry of each column positive; one column at least."""
    n, width = weights.shape
    # The smaller of X Xᵀ and Xᵀ X has the same singular values, squared, and is small whatever the other side is.
    gram = (weights @ weights.T if n <= width else weights.T @ weights).toarray()
    values, vectors = scipy.linalg.eigh(gram)
    values, vectors = np.sqrt(np.maximum(values[::-1], 0)), vectors[:, ::-1]
    kept = max(int((values > _NEGLIGIBLE * max(values[0], _NEGLIGIBLE)).sum()), 1)
    kept = min(kept, dims) if dims else kept
    scores = vectors[:, :kept] * values[:kept] if n <= width else weights @ vectors[:, :kept]
    largest = np.abs(scores).argmax(axis=0)
    signs = np.where(scores[largest, np.arange(kept)] < 0, -1.0, 1.0)
    return np.ascontiguousarray(scores * signs)


SPEC = EncoderSpec(
    name="tfidf",
    summary="TF-IDF of the words, reduced by SVD; needs no weights",
    reference="Deerwester et al., Indexing by Latent Semantic Analysis, JASIS 1990",
    settings=TfidfSettings,
    build=Tfidf,
)


@hookimpl
def register_encoders(register: Callable[[EncoderSpec], None]) -> None:
    """Register the encoder ``tfidf``."""
    register(SPEC)
