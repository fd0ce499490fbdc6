"""Images are found in order, decoded whatever they hold, and refused with their name where they are broken."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from d3wrap.errors import ConfigError, DataError
from d3wrap.vision import decoding, images
from d3wrap.vision.decoding import BrokenImageError, decode
from d3wrap.vision.images import ImageSource, load_images
from d3wrap.vision.listing import natural


def picture(seed=0, height=12, width=10):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, format="PNG", **options):
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Images in two folders, with things that are no images."""
    root = tmp_path / "images"
    for index, name in enumerate(["b/img10.png", "b/img2.PNG", "a/x.png", "B/img3.png", "top.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(picture(index)))
    (root / "notes.txt").write_text("no image")
    (root / ".hidden.png").write_bytes(b"")
    (root / ".cache").mkdir()
    (root / ".cache" / "x.png").write_bytes(b"")
    return root


NAMES = ("a/x.png", "B/img3.png", "b/img2.PNG", "b/img10.png", "top.png")


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


# --- which images, in which order --------------------------------------------------------------------------------


def test_a_folder_lists_its_images_in_natural_order(folder):
    source = ImageSource(folder)
    assert source.names == NAMES
    assert len(source) == 5
    assert "b/img2.PNG" in source
    assert "notes.txt" not in source


def test_a_zip_file_lists_the_same(folder, tmp_path):
    members = [(name, (folder / name).read_bytes()) for name in reversed(NAMES)]
    members += [("notes.txt", b"-"), ("__MACOSX/a/x.png", b"-"), ("a/._x.png", b"-"), ("empty/", b"")]
    source = ImageSource(zipped(tmp_path / "images.zip", members))
    assert source.names == NAMES
    for name in NAMES:
        assert np.array_equal(source.open(name), ImageSource(folder).open(name))


def test_numbers_are_compared_as_numbers():
    names = ["image_00010.jpg", "image_9.jpg", "10/a", "9/a", "a1b2", "a1b10", "a01b1", "7", "x"]
    assert sorted(names, key=natural) == [
        "7", "9/a", "10/a", "a01b1", "a1b2", "a1b10", "image_9.jpg", "image_00010.jpg", "x",
    ]  # fmt: skip


def test_links_are_followed_but_not_in_circles(folder):
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "twin").symlink_to(folder / "b")
    (folder / "one.png").symlink_to(folder / "a" / "x.png")
    assert set(ImageSource(folder).names) == {*NAMES, "twin/img2.PNG", "twin/img10.png", "one.png"}


def test_a_name_that_cannot_be_written_down_is_refused(folder):
    (folder / "a\nb.png").write_bytes(b"")
    with pytest.raises(DataError, match="characters that cannot be written as text; rename it"):
        ImageSource(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../x.png", "unsafe path"),
        ("/etc/x.png", "unsafe path"),
        ("C:\\x.png", "unsafe path"),
        ("a\\..\\..\\x.png", "unsafe path"),
    ],
)
def test_a_zip_with_an_unsafe_path_is_refused(tmp_path, name, reason):
    path = zipped(tmp_path / "images.zip", [("ok.png", encoded(picture())), (name, encoded(picture()))])
    with pytest.raises(DataError, match=reason):
        ImageSource(path)


def test_a_zip_with_a_link_or_an_image_twice_is_refused(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with pytest.raises(DataError, match=r"'link.png' is a link"):
        ImageSource(zipped(tmp_path / "link.zip", [(link, b"/etc/passwd")]))
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "twice.zip", [("x.png", b"1"), ("x.png", b"2")])
    with pytest.raises(DataError, match=r"'x.png' is there twice"):
        ImageSource(path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "images.zip", [("x.png", encoded(picture()))])
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own header, and in the directory
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        ImageSource(path)


def test_what_is_no_source_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder or zip file"):
        ImageSource(tmp_path / "nothing")
    (tmp_path / "note.zip").write_text("hello")
    with pytest.raises(DataError, match="no whole zip file"):
        ImageSource(tmp_path / "note.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no images: no file ends in .*\.jpg"):
        ImageSource(tmp_path / "empty")


def test_without_pillow_the_line_to_type_is_given(folder, monkeypatch):
    monkeypatch.setattr(decoding.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'd3wrap\[vision\]'"):
        ImageSource(folder)


def test_an_unknown_name_is_said_with_what_there_is(folder):
    with pytest.raises(DataError, match=r"no image 'y.png'; it has 5: 'a/x.png' … 'top.png'"):
        ImageSource(folder).open("y.png")


def test_a_source_can_be_sent_to_another_process(folder, tmp_path):
    path = zipped(tmp_path / "images.zip", [(name, (folder / name).read_bytes()) for name in NAMES])
    for source in (ImageSource(folder), ImageSource(path)):
        copy = pickle.loads(pickle.dumps(source))
        assert copy.names == NAMES
        assert np.array_equal(copy.open("top.png"), source.open("top.png"))


def test_the_fingerprint_changes_with_any_image_and_any_name(folder, tmp_path):
    source = ImageSource(folder)
    before = source.fingerprint(NAMES)
    assert source.fingerprint(NAMES) == before
    assert source.fingerprint(NAMES[:4]) != before
    (folder / "top.png").write_bytes(encoded(picture(99)))
    assert ImageSource(folder).fingerprint(NAMES) != before
    marks = {
        ImageSource(zipped(tmp_path / f"{seed}.zip", [("x.bmp", encoded(picture(seed), "BMP"))])).fingerprint(["x.bmp"])
        for seed in (1, 2, 1)
    }
    assert len(marks) == 2  # all three have one size


# --- decoding ----------------------------------------------------------------------------------------------------


def test_colours_come_out_as_they_are():
    pixels = picture()
    for format in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(decode(encoded(pixels, format), "x"), pixels)
    lossless = encoded(pixels, "WEBP", lossless=True)
    assert np.array_equal(decode(lossless, "x"), pixels)


def test_grey_shows_in_all_channels():
    grey = picture()[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(decode(encoded(grey), "x"), expected)
    bits = Image.fromarray(grey).convert("1")
    assert np.array_equal(decode(encoded(bits), "x"), np.asarray(bits.convert("RGB")))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_reduced_to_eight_not_clipped(format):
    deep = (picture()[..., 0].astype(np.uint16) * 257).astype(np.uint16)
    decoded = np.asarray(decode(encoded(deep, format), "x"))
    assert np.abs(decoded[..., 0].astype(int) - deep // 257).max() <= 1
    assert np.array_equal(decoded[..., 0], decoded[..., 2])


def test_what_is_transparent_shows_white():
    pixels = np.dstack([picture(), np.full((12, 10), 255, np.uint8)])
    pixels[:6, :, 3] = 0
    decoded = np.asarray(decode(encoded(pixels), "x"))
    assert (decoded[:6] == 255).all()
    assert np.array_equal(decoded[6:], pixels[6:, :, :3])


def test_palettes_with_and_without_transparency():
    palette = Image.fromarray(picture()).quantize(8)
    assert np.array_equal(decode(encoded(palette), "x"), palette.convert("RGB"))
    decoded = np.asarray(decode(encoded(palette, transparency=0), "x"))
    clear = np.asarray(palette) == 0
    assert (decoded[clear] == 255).all()
    assert np.array_equal(decoded[~clear], np.asarray(palette.convert("RGB"))[~clear])


def test_cmyk_is_turned_to_rgb():
    image = Image.fromarray(picture()).convert("CMYK")
    assert np.array_equal(decode(encoded(image, "TIFF"), "x"), image.convert("RGB"))


def test_of_several_frames_the_first_is_taken():
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content, "x").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_turned_back(orientation):
    upright = np.asarray(picture())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encoded(np.ascontiguousarray(stored), exif=exif), "x"), upright)


def test_nothing_and_nonsense_are_broken():
    with pytest.raises(BrokenImageError, match=r"^a/x.png: is empty \(0 bytes\)$"):
        decode(b"", "a/x.png")
    with pytest.raises(BrokenImageError, match="is none of BMP, GIF, JPEG"):
        decode(b"nonsense" * 100, "x.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_file_cut_short_is_broken(format):
    content = encoded(picture(height=64, width=64), format)
    with pytest.raises(BrokenImageError) as caught:
        decode(content[: len(content) * 2 // 3], "cut")
    assert caught.value.name == "cut"


def test_a_bomb_is_refused_before_it_goes_off():
    bomb = encoded(Image.new("1", (9000, 9000)))
    assert len(bomb) < 20_000
    with pytest.raises(BrokenImageError, match="9,000 × 9,000 pixels, more than the limit"):
        decode(bomb, "x")
    larger = encoded(Image.new("1", (20_000, 20_000)))  # Pillow itself refuses to open this one
    with pytest.raises(BrokenImageError, match="cannot be decoded"):
        decode(larger, "x")


def test_pixels_without_a_range_are_refused():
    floating = Image.fromarray(np.linspace(0, 1, 120, dtype=np.float32).reshape(12, 10))
    with pytest.raises(BrokenImageError, match="floating-point"):
        decode(encoded(floating, "TIFF"), "x")
    wide = Image.fromarray(np.full((4, 4), 70_000, np.int32))
    with pytest.raises(BrokenImageError, match=r"grey values 70000 … 70000, expected 0 … 65535"):
        decode(encoded(wide, "TIFF"), "x")


@settings(max_examples=150)
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "PPM", "WEBP"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 2000),
)
def test_a_damaged_file_is_an_image_or_broken_and_nothing_else(format, changes, cut):
    content = bytearray(encoded(picture(), format))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        image = decode(bytes(content[: len(content) - cut % 3 * cut % len(content)]), "x")
    except BrokenImageError:
        return
    assert image.mode == "RGB"


def test_postscript_which_could_run_ghostscript_is_not_tried(tmp_path):
    with pytest.raises(BrokenImageError, match="is none of"):
        decode(encoded(picture(), "EPS"), "x.jpg")


def test_files_that_cannot_be_read_are_broken(folder, tmp_path, monkeypatch):
    path = zipped(tmp_path / "images.zip", [("x.bmp", encoded(picture(), "BMP"))])
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(BrokenImageError, match=r"x.bmp: cannot be read \(Bad CRC"):
        ImageSource(path).open("x.bmp")
    source = ImageSource(folder)
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(BrokenImageError, match="more than the limit of 10"):
        source.open("top.png")


# --- all at once -------------------------------------------------------------------------------------------------


def test_images_of_the_size_asked_for_are_left_alone(tmp_path):
    pixels = [picture(seed, 8, 8) for seed in range(3)]
    path = zipped(tmp_path / "i.zip", [(f"{seed}.png", encoded(image)) for seed, image in enumerate(pixels)])
    loaded = load_images(path, size=8)
    assert loaded.dtype == torch.uint8
    assert np.array_equal(loaded.numpy(), np.stack(pixels).transpose(0, 3, 1, 2))


def test_other_images_are_cut_to_a_square_and_resized(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:8] = 50
    wide[:, 8:12] = 200
    path = zipped(tmp_path / "i.zip", [("x.png", encoded(wide))])
    loaded = load_images(path, size=8)[0]
    assert (loaded[:, :, :4] == 50).all()
    assert (loaded[:, :, 4:] == 200).all()
    assert load_images(path, size=2).unique().numel() == 2


def test_names_choose_and_order_and_threads_change_nothing(folder):
    source = ImageSource(folder)
    everything = load_images(source, size=6)
    chosen = load_images(folder, ["top.png", "a/x.png", "top.png"], size=6, threads=1)
    assert torch.equal(chosen, everything[[4, 0, 4]])
    assert len(everything.flatten(1).unique(dim=0)) == 5


def test_a_cache_gives_the_same_and_is_not_changed_by_writing_to_it(folder, tmp_path, monkeypatch):
    direct = load_images(folder, size=6)
    assert torch.equal(load_images(folder, size=6, cache=tmp_path / "c"), direct)
    (kept,) = (tmp_path / "c").iterdir()
    monkeypatch.setattr(images, "decode", None)  # nothing is decoded again
    again = load_images(folder, size=6, cache=tmp_path / "c")
    assert torch.equal(again, direct)
    again.zero_()
    assert torch.equal(load_images(folder, size=6, cache=tmp_path / "c"), direct)
    monkeypatch.undo()
    load_images(folder, NAMES[:2], size=6, cache=tmp_path / "c")
    assert len(list((tmp_path / "c").iterdir())) == 2
    assert kept.is_file()


def test_a_broken_image_leaves_no_cache(folder, tmp_path):
    (folder / "b" / "img2.PNG").write_bytes(b"")
    with pytest.raises(BrokenImageError, match=r"^b/img2.PNG: is empty"):
        load_images(folder, size=6, cache=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
    with pytest.raises(DataError, match="no image 'y'"):
        load_images(folder, ["y"], size=6, cache=tmp_path / "c")


def test_sizes_below_one_are_refused(folder):
    with pytest.raises(ConfigError, match="size is 0"):
        load_images(folder, size=0)
