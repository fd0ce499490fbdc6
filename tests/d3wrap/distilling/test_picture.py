"""The picture of neighbours shows images of every class and what the metrics call nearest."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from d3wrap.distilling.measuring import student_features
from d3wrap.distilling.metrics import nearest
from d3wrap.distilling.picture import find_neighbours, neighbours_picture
from d3wrap.errors import DataError, MissingExtraError


def test_images_are_of_all_classes_and_neighbours_those_of_each_space(data, distil, settings):
    rows = data.dataset.test_unseen
    features = student_features(distil().student, data, rows, settings)
    found = find_neighbours(data, features, rows, 12, images=5, k=3)
    assert data.dataset.labels[found.images].tolist() == [2, 2, 2, 5, 5]
    places = torch.tensor([rows.tolist().index(row) for row in found.images.tolist()])
    assert torch.equal(found.student, rows[nearest(features, 3, places)])
    assert torch.equal(found.teacher, rows[nearest(data.teacher.features(rows), 3, places)])
    assert not (found.teacher == found.images[:, None]).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_drawn(data, tmp_path, channels):
    pytest.importorskip("matplotlib")
    shown = replace(data, inputs=data.inputs[:, :channels])
    rows = data.dataset.test_unseen
    found = find_neighbours(shown, data.teacher.features(rows), rows, 12, images=4, k=2)
    assert torch.equal(found.teacher, found.student)
    path = neighbours_picture(tmp_path / "n.png", shown, found, "title")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused(data, tmp_path, monkeypatch):
    rows = data.dataset.test_unseen
    found = find_neighbours(data, data.teacher.features(rows), rows, 12, images=2, k=1)
    with pytest.raises(DataError, match=r"end its name in \.png"):
        neighbours_picture(tmp_path / "n.pdf", data, found, "")
    with pytest.raises(DataError, match="give --images"):
        neighbours_picture(tmp_path / "n.png", replace(data, inputs=data.dataset.features), found, "")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"d3wrap\[plot\]"):
        neighbours_picture(tmp_path / "n.png", data, found, "")
    assert not list(tmp_path.iterdir())
