import builtins
import sys

import pytest
import torch

from d3wrap.comparison.picture import _draw, _pick, digit_sheet
from d3wrap.errors import DataError, MissingExtraError, ShapeError

LABELS = torch.tensor([0, 1, 1, 1])
FEATURES = torch.arange(24.0).reshape(4, 6)


def sheet(path, **changes):
    arguments = {
        "rows": {"real": FEATURES, "baseline": FEATURES / 2},
        "labels": {"real": LABELS, "baseline": LABELS},
        "classes": [1],
        "class_names": ["zero", "one"],
        "image_shape": (2, 3),
    }
    return digit_sheet(path, **(arguments | changes))


def test_the_first_rows_of_a_class_are_picked():
    picked = _pick(FEATURES, LABELS, 1, 2, (2, 3), "real")
    assert picked.tolist() == FEATURES[1:3].reshape(2, 2, 3).tolist()


def test_a_png_is_written_whole_and_pyplot_is_left_alone(tmp_path):
    pytest.importorskip("matplotlib")
    before = "matplotlib.pyplot" in sys.modules
    path = sheet(tmp_path / "sheet.png", title="clswgan on digits")
    from matplotlib.image import imread

    assert path.read_bytes().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == before
    assert list(tmp_path.iterdir()) == [path]
    pixels = imread(path)[..., :3]
    assert (pixels[0] == 1).all()
    assert pixels.min() < 0.05


def test_zero_is_white_and_the_largest_real_value_black(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    def darkest(value):
        """Of a sheet without text whose real pictures reach 4 and are left out of it."""
        path = sheet(
            tmp_path / "sheet.png",
            rows={"": torch.tensor([[value] * 4, [4.0] * 4])},
            labels={"": torch.tensor([0, 1])},
            classes=[0],
            class_names=[""],
            image_shape=(2, 2),
        )
        return float(imread(path)[..., :3].min())

    assert darkest(4.0) < 0.02
    assert 0.3 < darkest(2.0) < 0.7
    assert darkest(0.0) > 0.7


@pytest.mark.parametrize("columns", [2, 12])
def test_no_text_is_cut(columns):
    pytest.importorskip("matplotlib")
    picked = {(c, n): torch.zeros(2, 2, 2).numpy() for c in (0, 1) for n in ("real", "enhanced (corrected)")}
    classes = [(0, "Wwwwww wide letters of a class"), (1, "one")]
    title = "GSMFLOW ON DIGITS: UNSEEN CLASSES, SEED 12"
    figure = _draw(picked, ["real", "enhanced (corrected)"], classes, columns, 1.0, title)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    assert len(figure.texts) == 1 + 2 * 3
    for text in figure.texts:
        box = text.get_window_extent()
        assert (box.x0 >= 0, box.y0 >= 0, box.x1 <= width, box.y1 <= height) == (True,) * 4


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"image_shape": (3, 3)}, ShapeError, r"real: expected features \[n, 9\] .* found \[4, 6\]"),
        ({"labels": {"real": LABELS, "baseline": LABELS[1:]}}, ShapeError, r"baseline: .* and \[3\]"),
        ({"labels": {"real": LABELS}}, DataError, "must name the same lines"),
        ({"rows": {}, "labels": {}}, DataError, "must name the same lines"),
        ({"classes": [0, 2], "class_names": ["a", "b", "c"]}, DataError, "real: class 2 has no rows"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        sheet(tmp_path / "sheet.png", **changes)
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"end its name in \.png"):
        sheet(tmp_path / "sheet.pdf")


def test_without_matplotlib_the_line_to_type_is_said(tmp_path, monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'd3wrap\[plot\]'"):
        sheet(tmp_path / "sheet.png")
