"""Pixels that are kept are those of the same images, in the same order, and of no others."""

from __future__ import annotations

import io
import os
import zipfile

import pytest
from PIL import Image

from d3wrap.vision.images import ImageSource, load_images


def encoded(value):
    """Return a PNG file of 4 × 4 pixels of one brightness, uncompressed, so that all are of one size."""
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (value,) * 3).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_cache_is_not_taken_for_other_images(tmp_path, zipped):
    """Other content under the same name, and the same images under each other's names."""
    colours = {"a.png": 10, "b.png": 20}

    def written():
        if zipped:
            with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
                for name, value in colours.items():
                    archive.writestr(name, encoded(value))
            return tmp_path / "images.zip"
        (tmp_path / "images").mkdir(exist_ok=True)
        for name, value in colours.items():
            (tmp_path / "images" / name).write_bytes(encoded(value))
            os.utime(tmp_path / "images" / name, ns=(0, value))
        return tmp_path / "images"

    def shown(*names):
        return load_images(written(), names or None, size=4, cache=tmp_path / "c")[:, 0, 0, 0].tolist()

    assert shown() == [10, 20]
    assert shown("b.png", "a.png") == [20, 10]
    colours |= {"b.png": 30}
    assert shown() == [10, 30]
    colours |= {"a.png": 30, "b.png": 10}
    assert shown() == [30, 10]


def test_names_are_part_of_what_a_cache_is_of(tmp_path):
    """A renamed image is another: its place in the order may be another dataset's row."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(10))
        os.utime(tmp_path / name, ns=(0, 0))
    source = ImageSource(tmp_path)
    assert source.fingerprint(["a.png"]) != source.fingerprint(["b.png"])
    assert source.fingerprint(["a.png"]) == source.fingerprint(["a.png"])
