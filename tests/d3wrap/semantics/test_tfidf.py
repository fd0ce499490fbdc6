"""TF-IDF against naive loops and numpy's SVD."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import ConfigError
from d3wrap.manager import load_plugin
from d3wrap.semantics.tfidf import SPEC, Tfidf, TfidfSettings, terms, weighted_counts
from d3wrap.testing import check_encoder

WORDS = ("red", "blue", "petal", "petals", "leaf", "round", "tall")
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=12)


def encode(texts, **settings):
    return Tfidf(TfidfSettings(**settings), torch.device("cpu")).encode(texts)


def naive(texts):
    """Return X of the module's equation with loops."""
    split = [text.split() for text in texts]
    words = sorted({word for one in split for word in one})
    rows = []
    for one in split:
        row = []
        for word in words:
            frequency = sum(word in other for other in split)
            count = one.count(word)
            row.append((1 + math.log(count)) * math.log((1 + len(texts)) / (1 + frequency)) if count else 0.0)
        norm = math.sqrt(sum(value**2 for value in row))
        rows.append([value / norm if norm else 0.0 for value in row])
    return np.array(rows)


@given(TEXTS)
def test_weights_equal_naive_loops(texts):
    np.testing.assert_allclose(weighted_counts([text.split() for text in texts]).toarray(), naive(texts), atol=1e-12)


@given(TEXTS, st.integers(0, 6))
def test_what_is_kept_is_the_svd(texts, dims):
    found = encode(texts, dims=dims).numpy()
    left, values, _ = np.linalg.svd(naive(texts), full_matrices=False)
    rank = max(int((values > 1e-6 * values.max(initial=1e-6)).sum()), 1)
    kept = min(rank, dims) if dims else rank
    assert found.shape == (len(texts), kept)
    # Columns of equal singular values may turn, so sums over them are compared, where the cut is between others.
    if kept == rank or values[kept - 1] - values[kept] > 1e-4:
        best = left[:, :kept] * values[:kept]
        np.testing.assert_allclose(found @ found.T, best @ best.T, atol=1e-7)
    lengths = np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(lengths, values[:kept], atol=1e-7)
    largest = np.abs(found).argmax(0)
    assert (found[largest, range(kept)] >= 0).all()


@given(TEXTS, st.randoms())
def test_order_moves_rows_alone(texts, random):
    order = random.sample(range(len(texts)), len(texts))
    found, other = encode(texts, dims=0), encode([texts[place] for place in order], dims=0)
    torch.testing.assert_close((found @ found.T)[order][:, order], other @ other.T)
    assert torch.equal(found, encode(texts, dims=0))


def test_words_and_their_sequences_are_counted():
    assert terms("A Rose's red-rose ÖL, 12 x!") == ["rose", "red", "rose", "öl", "12"]
    assert terms("tall red rose", 2) == ["tall", "red", "rose", "tall red", "red rose"]
    # alike as single words, not as pairs
    singles, pairs = (encode(["red rose", "rose red", "leaf"], ngrams=n, dims=0) for n in (1, 2))
    torch.testing.assert_close(singles[0], singles[1])
    assert not torch.allclose(pairs[0], pairs[1], atol=1e-3)


def test_a_template_does_not_count():
    texts = ["red petal", "blue petal round", "tall leaf"]
    inside = [f"a photo of a flower with {text}" for text in texts]
    torch.testing.assert_close(encode(inside), encode(texts))


def test_a_text_without_words_is_a_row_of_zeros():
    assert encode(["?", "red", "blue"])[0].abs().sum() == 0
    assert encode(["? !", "."]).tolist() == [[0], [0]]


@pytest.mark.parametrize(("setting", "value"), [("dims", -1), ("ngrams", 0)])
def test_numbers_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"{setting} is {value}, expected"):
        TfidfSettings(**{setting: value})


def test_it_keeps_the_contract_and_is_installed():
    assert check_encoder(SPEC)
    assert load_plugin("tfidf").specs == (SPEC,)
