"""A record says which images gave which rows, and an extraction goes on only where everything is the same."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from d3wrap.comparison.identity import differences
from d3wrap.vision.extraction import Pace, extract
from d3wrap.vision.image_model import Weights
from d3wrap.vision.images import ImageSource
from d3wrap.vision.parts import Parts
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing
from d3wrap.vision.record import Record, identity


@pytest.fixture
def record(zoo, tmp_path, flat_model):
    """The record of the zoo, whose second and last images are broken."""
    (zoo / "cat" / "cat2.png").write_bytes(b"")
    (zoo / "emu" / "emu4.png").write_bytes(b"nonsense")
    source = ImageSource(zoo)
    found = extract(flat_model(), source, source.names, Pace(4), Parts(tmp_path / "p", {}))
    return Record.of(flat_model(), Pace(4), source, source.names, found)


def test_each_row_has_the_hash_of_its_own_image(zoo, record):
    assert len(record.images) == 13
    for name, digest in zip(record.images, record.digests, strict=True):
        assert digest == hashlib.sha256((zoo / name).read_bytes()).hexdigest()
    assert list(record.broken) == ["cat/cat2.png", "emu/emu4.png"]
    assert "2 broken images: cat/cat2.png, emu/emu4.png" in record.provenance()["left out"]


def test_some_of_the_rows_keep_names_and_hashes_together(zoo, record):
    some = record.rows([7, 0, 3])
    assert some.images == (record.images[7], record.images[0], record.images[3])
    assert some.digests == (record.digests[7], record.digests[0], record.digests[3])


def test_one_hash_sees_images_names_and_order(record):
    whole = record.images_sha256()
    assert record.rows(range(13)).images_sha256() == whole
    assert record.rows([1, 0, *range(2, 13)]).images_sha256() != whole
    assert record.rows(range(12)).images_sha256() != whole
    renamed = dataclasses.replace(record, images=("other.png", *record.images[1:]))
    assert renamed.images_sha256() != whole


def test_what_is_written_is_read(record):
    assert Record.parse(record.plain(), "x") == record


def test_an_extraction_is_another_where_anything_differs(zoo, tmp_path, flat_model):
    source = ImageSource(zoo)
    model, names, pace = flat_model(), source.names, Pace(4)
    own = identity(model, pace, source, names)
    assert not differences(own, identity(flat_model(), Pace(4, workers=5), ImageSource(zoo), names))
    zoo.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(zoo)
    changed = {
        "names.*": identity(model, pace, source, names[::-1]),
        "count": identity(model, pace, source, names[1:]),
        "batch_size": identity(model, Pace(5), source, names),
        "precision": identity(model, Pace(4, "bf16"), source, names),
        "weights.sha256": identity(dataclasses.replace(model, weights=Weights("none", "1" * 64)), pace, source, names),
        "model": identity(dataclasses.replace(model, name="other"), pace, source, names),
        "preprocessing": identity(
            dataclasses.replace(model, preprocessing=plain_preprocessing(Wishes(crop=0.5), (2, 2))), pace, source, names
        ),
        "versions.torch": identity(dataclasses.replace(model, versions={"torch": "0"}), pace, source, names),
    }
    for what, other in changed.items():
        assert what.removesuffix(".*") in str(differences(own, other)), what
