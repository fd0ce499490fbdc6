import json
import re
import struct
import zlib
from base64 import b64decode

import numpy as np
import pytest

from d3wrap.report.class_figures import MOST, class_changes, class_figures, projections
from d3wrap.report.collect import collect
from d3wrap.report.pictures import data_uri, picture_rows
from d3wrap.report.results_figures import confusion, curves, differences, mean_curve
from d3wrap.report.training_figures import losses


def test_the_mean_of_equal_curves_is_that_curve():
    curve = [(0.0, 0.9), (0.3, 0.7), (0.6, 0.0)]
    u, s = np.array(mean_curve([curve, curve])).T
    expected = np.interp(u, *np.array(curve).T)
    assert s == pytest.approx(expected, abs=1e-9)
    assert (u[0], s[-1]) == (0.0, 0.0)


def test_the_mean_lies_between_on_every_ray():
    low, high = [(0.0, 0.4), (0.4, 0.0)], [(0.0, 0.8), (0.8, 0.0)]
    found = np.array(mean_curve([low, high]))
    assert found.sum(1) == pytest.approx(0.6)
    assert (np.diff(found[:, 0]) > 0).all()


def test_the_mean_of_a_curve_that_never_leaves_the_axis():
    assert mean_curve([[(0.0, 0.9), (0.0, 0.4), (0.0, 0.0)]])[-1] == (0.0, 0.0)


def test_curves_have_a_line_a_seed_and_their_mean(comparisons):
    figure = curves(comparisons[0], "student")
    for arm in ("baseline", "enhanced"):
        assert figure.picture.count(f'class="arm-{arm} curve thin"') == 6
        assert figure.picture.count(f'class="arm-{arm} curve mean"') == 1
        assert figure.picture.count(f'class="arm-{arm} mark"') == 6
    row = comparisons[0].row("student", "AUSUC")
    assert f"Baseline: area {100 * row.baseline_mean:.1f} %" in figure.picture
    assert curves(comparisons[0], "embedding") is None


def test_differences_stand_where_they_should(comparisons):
    comparison = comparisons[0]
    figure = differences(comparison, "softmax")
    titles = re.findall(r"<title>seed (\d): \+([\d.]+) points</title>", figure.picture)
    assert len(titles) == 5 * 6
    arms = [comparison.by_seed(arm, "softmax") for arm in ("baseline", "enhanced")]
    first = [(str(seed), f"{100 * (arms[1][seed].T1 - arms[0][seed].T1):.1f}") for seed in range(6)]
    assert titles[:6] == first
    assert "6 of 6 seeds gained" in figure.picture


def test_a_huge_interval_of_two_seeds_is_cut_off(make_folder):
    figure = differences(collect([make_folder(seeds=2)])[0], "softmax")
    assert "cut off at the edge" in figure.caption
    places = [float(x) for x in re.findall(r'points="([\d.]+),', figure.picture)]
    assert all(0 <= place <= 340 for place in places)


def test_confusion_bars_are_as_long_as_their_numbers(comparisons):
    figure = confusion(comparisons[0], "softmax")
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', figure.picture)]
    assert widths == pytest.approx([2.14 * 30, 2.14 * 30, 2.14 * 10, 2.14 * 10], abs=0.1)


def test_classes_are_sorted_by_change_and_told_apart(make_folder):
    comparison = collect([make_folder(seeds=1, per_class={c: 0.1 * c for c in range(4)})])[0]
    changes = class_changes(comparison, "softmax")
    assert [one.change for one in changes] == [0.0] * 4
    assert [figure.title for figure in class_figures(changes)] == ["Unseen classes", "Seen classes"]
    risen = class_changes(collect([make_folder("g", gain=0.05)])[0], "softmax")
    assert [one.change for one in risen] == pytest.approx([0.05] * 4)


def test_of_many_classes_those_that_changed_most_are_drawn(comparisons):
    one = class_changes(comparisons[0], "softmax")[0]
    many = [one._replace(label=c, info=None, enhanced=c / 100, baseline=0.2) for c in range(90)]
    (figure,) = class_figures(many)
    assert figure.picture.count("<rect") == MOST
    assert f"The {MOST} of 90 classes" in figure.caption
    assert "class 89" in figure.picture
    assert "class 21<" not in figure.picture


def test_projections_share_their_axes(comparisons):
    figures = projections(comparisons[0])
    assert [figure.title for figure in figures] == ["baseline, seed 0", "enhanced, seed 0"]
    assert [figure.arm for figure in figures] == ["baseline", "enhanced"]
    ticks = [re.findall(r'text-anchor="middle">([−\d.]+)<', figure.picture) for figure in figures]
    assert ticks[0] == ticks[1] != []
    for figure in figures:
        assert figure.picture.count("<circle") == figure.picture.count("<path") == 16
        assert "tulip" in figure.picture
        assert "40 % of variance" in figure.picture


def test_a_class_without_points_is_left_out(make_folder):
    folder = make_folder(seeds=1)
    for path in folder.rglob("artefacts.json"):
        stored = json.loads(path.read_text())
        stored["projection"]["generated"]["3"] = []
        stored["classes"] = {}
        path.write_text(json.dumps(stored))
    figure = projections(collect([folder])[0])[0]
    means = re.findall(r'class="name class-\d mean"[^>]*>(\d)<', figure.picture)
    assert means == ["1"]
    assert "1 class 2" in figure.picture
    assert "real one: class 2 " in figure.picture
    assert "; class 3" not in figure.picture


def test_losses_have_a_line_a_run(comparisons):
    figures = {figure.title: figure.picture for figure in losses(comparisons[0])}
    assert list(figures) == ["gan/critic", "id2sd/labels"]
    assert figures["gan/critic"].count("<polyline") == 12
    assert figures["id2sd/labels"].count("<polyline") == 6
    assert "enhanced from 0.5 to 0.5 (means over 6 seeds)" in figures["id2sd/labels"]
    assert "baseline" not in figures["id2sd/labels"]


def test_a_single_point_is_a_mark(make_folder):
    folder = make_folder(seeds=1)
    for path in folder.rglob("metrics.jsonl"):
        path.write_text('{"step": 0, "losses": {"a": 1.0}}\n')
    (figure,) = losses(collect([folder])[0])
    assert figure.picture.count("<circle") == 1
    assert figure.picture.count("<rect") == 1


def decoded(uri):
    """Read a grey PNG by the book."""
    content = b64decode(uri.removeprefix("data:image/png;base64,"))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        assert struct.unpack(">I", content[place + 8 + length : place + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind], place = body, place + 12 + length
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 0, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:]


def test_a_png_holds_its_levels():
    levels = bytes(range(12))
    assert decoded(data_uri(4, 3, levels)).tolist() == np.arange(12).reshape(3, 4).tolist()


def test_pictures_stand_side_by_side_as_ink_on_white(comparisons):
    seed, (row,) = picture_rows(comparisons[0])
    assert (seed, row.name, [strip.kind for strip in row.strips]) == (0, "tulip", ["real", "baseline", "enhanced"])
    one = 255 - np.arange(6).reshape(2, 3)
    gap = np.full((2, 1), 255)
    assert decoded(row.strips[0].data).tolist() == np.hstack([one, gap, one, gap, one]).tolist()


def test_pictures_of_different_sizes_are_not_mixed(make_folder):
    folder = make_folder(seeds=1)
    path = folder / "clswgan/seed-0/enhanced/artefacts.json"
    stored = json.loads(path.read_text())
    stored["pictures"]["shape"] = [3, 2]
    path.write_text(json.dumps(stored))
    assert picture_rows(collect([folder])[0]) == (None, [])
