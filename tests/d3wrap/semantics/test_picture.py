"""The picture of a diagnosis: what is drawn, and in which order."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
import torch

from d3wrap.errors import DataError, MissingExtraError
from d3wrap.semantics import picture
from d3wrap.semantics.diagnosis import agreement, diagnose

pytest.importorskip("matplotlib")


def made(classes, seed=0, label="made (tfidf)"):
    matrix = torch.randn(classes, 4, generator=torch.Generator().manual_seed(seed))
    return diagnose(matrix, tuple(f"class_{place}_of_a_very_long_name" for place in range(classes)), label=label)


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figure that is drawn."""
    pages = []
    own = picture._Page.__init__

    def keep(page, *arguments):
        own(page, *arguments)
        pages.append(page)

    monkeypatch.setattr(picture._Page, "__init__", keep)
    return pages


def texts_of(page):
    return [one.get_text() for one in page.figure.texts]


def size_of(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


@pytest.mark.parametrize("classes", [2, 9, 130])
def test_one_is_drawn(tmp_path, drawn, classes):
    found = made(classes)
    path = picture.draw(tmp_path / "one.png", found)
    assert min(size_of(path)) > 500
    (page,) = drawn
    cosines, _, histogram = page.figure.axes
    order = picture.similar_together(found.cosines.numpy())
    shown = cosines.images[0].get_array()
    assert np.ma.getmaskarray(shown)[range(classes), range(classes)].all() or np.isnan(np.diag(shown)).all()
    place = np.ix_(order, order)
    off = ~np.eye(classes, dtype=bool)
    np.testing.assert_allclose(np.asarray(shown)[off], found.cosines.numpy()[place][off])
    names = [label.get_text() for label in cosines.get_yticklabels()]
    assert names == ([f"class {place} of a very long name" for place in order] if classes <= picture.NAMES else [])
    assert sum(bar.get_height() for bar in histogram.patches) == classes * (classes - 1) / 2
    assert "All pairs of classes" in texts_of(page)
    assert f"{classes * (classes - 1) // 2:,} pair{'s' if classes > 2 else ''}" in texts_of(page)


def test_two_are_drawn_in_one_order_and_what_both_find_is_in_colour(tmp_path, drawn):
    found, other = made(12), made(12, seed=1, label="other")
    agreed = agreement(found, other)
    picture.draw(tmp_path / "two.PNG", found, other, agreed)
    (page,) = drawn
    k = len(found.neighbours[0])
    said = f"of the {k} nearest {k * agreed.overlap:.2f} are the same ({k * agreed.chance:.2f} by chance)"
    assert any(said in text for text in texts_of(page))
    _, _, second, _, scatter = page.figure.axes
    order = picture.similar_together(found.cosines.numpy())
    shown = np.asarray(second.images[0].get_array())
    off = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(shown[off], other.cosines.numpy()[np.ix_(order, order)][off])
    assert len(second.get_yticklabels()) == 0
    points = scatter.collections[0].get_offsets()
    above = np.triu_indices(12, 1)
    np.testing.assert_allclose(points, np.stack([one.cosines.numpy()[above] for one in (found, other)], 1))
    in_colour = sum(one.get_color() == picture.BOTH for one in page.figure.texts) - 1  # and the legend
    expected = sum(
        near.place in agreed.shared[place]
        for one in (found, other)
        for place in range(12)
        for near in one.neighbours[place][: picture.SHOWN]
    )
    assert in_colour == expected > 0


def test_similar_classes_are_put_together():
    blocks = torch.block_diag(torch.ones(3, 3), torch.ones(4, 4))
    shuffled = torch.tensor([0, 3, 1, 4, 2, 5, 6])
    order = picture.similar_together(blocks[shuffled][:, shuffled].double().numpy())
    groups = [int(shuffled[place]) < 3 for place in order]
    assert sum(one != other for one, other in itertools.pairwise(groups)) == 1


def test_it_is_a_png_and_needs_matplotlib(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"end its name in \.png"):
        picture.draw(tmp_path / "one.pdf", made(3))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"needs matplotlib.*'d3wrap\[plot\]'"):
        picture.draw(tmp_path / "one.png", made(3))
    assert list(tmp_path.iterdir()) == []
