"""Texts are counted as cut where they are longer than what is read, and not where they just fit."""

from __future__ import annotations

import warnings

import pytest

from d3wrap.errors import D3WrapWarning
from d3wrap.semantics.cut import note_cut


def test_a_text_that_just_fits_is_not_cut():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert note_cut("mine", [3, 8, 1], 8) == {}


def test_longer_ones_are_counted_and_said():
    with pytest.warns(D3WrapWarning, match=r"mine reads 8 tokens: of 4 texts 2 are longer \(up to 20\)"):
        assert note_cut("mine", [9, 8, 20, 1], 8) == {"texts cut": "2 of 4, to 8 tokens"}
