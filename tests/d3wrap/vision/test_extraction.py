"""Extraction gives each image its own features, survives being killed, and notices what changed."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch

from d3wrap.errors import ConfigError, DataError, ShapeError
from d3wrap.vision import extraction
from d3wrap.vision.extraction import Pace, check_pace, extract
from d3wrap.vision.images import ImageSource
from d3wrap.vision.parts import Parts, remove_parts


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch):
    monkeypatch.setattr(extraction, "PART", 6)


def naive(model, source, names):
    """One image at a time, no batches, no threads, no files."""
    return torch.stack([model.features(model.preprocessing(source.open(name))[None])[0] for name in names])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 7, 100])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_image_gets_its_own_features_in_order(zoo, tmp_path, flat_model, batch_size, workers):
    source, model = ImageSource(zoo), flat_model()
    names = source.names[::-1]
    told = []
    found = extract(model, source, names, Pace(batch_size, workers=workers), Parts(tmp_path / "p", {}), told.append)
    assert torch.equal(found.features, naive(model, source, names))
    assert found.features.dtype == torch.float32
    assert found.kept == list(range(15))
    assert told[0] == 0
    assert told[-1] == 15
    assert told == sorted(told)


def test_every_batch_is_full(zoo, tmp_path, flat_model):
    seen = []

    def features(images):
        seen.append(images.clone())
        return images.flatten(1)

    extract(flat_model(features), ImageSource(zoo), ImageSource(zoo).names, Pace(4), Parts(tmp_path / "p", {}))
    assert {len(images) for images in seen} == {4}
    assert (seen[-1][3:] == 0).all()  # 15 images
    assert (seen[-1][:3] != 0).any()


def test_vectors_may_come_with_empty_places_behind(zoo, tmp_path, flat_model):
    source, names = ImageSource(zoo), ImageSource(zoo).names
    pooled = flat_model(lambda images: images.flatten(1)[..., None, None].double())
    found = extract(pooled, source, names, Pace(4), Parts(tmp_path / "p", {}))
    assert torch.equal(found.features, naive(flat_model(), source, names))


@pytest.mark.parametrize(
    "features",
    [
        lambda images: images,
        lambda images: images.flatten(1)[:2],
        lambda images: images.flatten(),
        lambda images: (images.flatten(1),),
    ],
)
def test_what_is_no_vector_for_each_image_is_refused(zoo, tmp_path, flat_model, features):
    with pytest.raises(ShapeError, match="expected a vector for each"):
        extract(flat_model(features), ImageSource(zoo), ImageSource(zoo).names, Pace(4), Parts(tmp_path / "p", {}))


def test_features_that_are_not_finite_are_refused_by_name(zoo, tmp_path, flat_model):
    def features(images):
        found = images.flatten(1).clone()
        found[2, 1] = float("nan")
        return found

    names = ImageSource(zoo).names
    with pytest.raises(DataError, match=f"features of {names[2]} are NaN"):
        extract(flat_model(features), ImageSource(zoo), names, Pace(4), Parts(tmp_path / "p", {}))


def test_a_network_of_one_batch_size_or_precision_is_run_with_no_other(flat_model):
    model = flat_model(batch_size=4, precisions=("exact",))
    check_pace(model, Pace(4))
    with pytest.raises(ConfigError, match="takes 4 images at once, and the batch size is 8: add --batch-size 4"):
        check_pace(model, Pace(8))
    with pytest.raises(ConfigError, match="precision is 'bf16', and flat knows exact"):
        check_pace(model, Pace(4, "bf16"))
    with pytest.raises(ConfigError, match="batch size is 0"):
        Pace(0)


# --- broken images -------------------------------------------------------------------------------------------------


def test_broken_images_are_left_out_and_reported(zoo, tmp_path, flat_model):
    (zoo / "cat" / "cat2.png").write_bytes(b"")
    (zoo / "emu" / "emu4.png").write_bytes(b"nonsense")
    source, model = ImageSource(zoo), flat_model()
    found = extract(model, source, source.names, Pace(4), Parts(tmp_path / "p", {}))
    assert list(found.broken) == [1, 14]
    assert found.broken[1] == "is empty (0 bytes)"
    assert found.kept == [0, *range(2, 14)]
    assert torch.equal(found.features, naive(model, source, [source.names[place] for place in found.kept]))
    assert len(found.digests) == 15


def test_a_part_of_broken_images_only_is_no_problem_but_nothing_else_is_one(zoo, tmp_path, flat_model):
    for index in range(1, 7):
        (zoo / "cat" / f"cat{index}.png").write_bytes(b"")
    source = ImageSource(zoo)
    found = extract(flat_model(), source, source.names, Pace(3), Parts(tmp_path / "p", {}))
    assert len(found.features) == 9
    again = extract(flat_model(None), source, source.names, Pace(3), Parts(tmp_path / "p", {}))
    assert torch.equal(again.features, found.features)
    with pytest.raises(DataError, match=r"none of the 6 images can be decoded; the first: is empty"):
        extract(flat_model(), source, source.names[:6], Pace(3), Parts(tmp_path / "q", {}))


def test_a_file_that_vanished_is_broken(zoo, tmp_path, flat_model):
    source = ImageSource(zoo)
    (zoo / "dog" / "dog3.png").unlink()
    found = extract(flat_model(), source, source.names, Pace(4), Parts(tmp_path / "p", {}))
    assert list(found.broken) == [8]
    assert "cannot be read" in found.broken[8]


# --- going on ------------------------------------------------------------------------------------------------------


def killed(model, source, folder, pace, after):
    """Extract in another process, and kill it once ``after`` images are done."""
    child = os.fork()
    if child == 0:

        def kill(done):
            if done >= after:
                os.kill(os.getpid(), signal.SIGKILL)

        extract(model, source, source.names, pace, Parts(folder, {}), kill)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def counted(flat_model):
    batches = []

    def features(images):
        batches.append(len(images))
        return images.flatten(1) @ torch.linspace(-1, 1, 12).outer(torch.linspace(0.1, 3, 5))

    return flat_model(features), batches


def test_a_killed_extraction_goes_on_and_gives_the_same_bits(zoo, tmp_path, flat_model):
    model, batches = counted(flat_model)
    source = ImageSource(zoo)
    whole = extract(model, source, source.names, Pace(3), Parts(tmp_path / "whole", {}))
    assert len(batches) == 5
    killed(model, source, tmp_path / "p", Pace(3), after=9)
    batches.clear()
    parts = Parts(tmp_path / "p", {})
    assert parts.resumed
    found = extract(model, source, source.names, Pace(3), parts)
    assert len(batches) == 3  # the first part, of two batches, was done
    assert torch.equal(found.features, whole.features)
    assert found.digests == whole.digests


def test_a_part_whose_image_changed_is_computed_again(zoo, tmp_path, flat_model, picture):
    model, batches = counted(flat_model)
    source = ImageSource(zoo)
    parts = Parts(tmp_path / "p", {})
    before = extract(model, source, source.names, Pace(3), parts)
    batches.clear()
    (zoo / "dog" / "dog2.png").write_bytes(picture(99))
    found = extract(model, source, source.names, Pace(3), parts)
    assert len(batches) == 2
    changed = (found.features != before.features).any(1).nonzero().squeeze(1).tolist()
    assert changed == [source.names.index("dog/dog2.png")]


def test_a_mended_image_is_no_longer_broken(zoo, tmp_path, flat_model, picture):
    (zoo / "cat" / "cat2.png").write_bytes(b"")
    source, parts = ImageSource(zoo), Parts(tmp_path / "p", {})
    assert list(extract(flat_model(), source, source.names, Pace(3), parts).broken) == [1]
    (zoo / "cat" / "cat2.png").write_bytes(picture(7))
    assert extract(flat_model(), source, source.names, Pace(3), parts).broken == {}


def test_a_damaged_part_is_computed_again(zoo, tmp_path, flat_model):
    source, parts = ImageSource(zoo), Parts(tmp_path / "p", {})
    before = extract(flat_model(), source, source.names, Pace(3), parts)
    file = tmp_path / "p" / "part-00000006.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert torch.equal(extract(flat_model(), source, source.names, Pace(3), parts).features, before.features)


def test_parts_of_another_extraction_are_not_mixed_in(tmp_path):
    Parts(tmp_path / "p", {"model": "a", "weights": {"sha256": "1"}})
    with pytest.raises(ConfigError, match=r'another extraction: weights.sha256 is "1" there and "2" now'):
        Parts(tmp_path / "p", {"model": "a", "weights": {"sha256": "2"}})
    assert Parts(tmp_path / "p", {"model": "a", "weights": {"sha256": "1"}}).resumed


def test_a_folder_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="holds no extraction to go on with"):
        Parts(tmp_path, {})
    with pytest.raises(ConfigError, match="d3wrap did not make it and will not remove it"):
        remove_parts(tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    remove_parts(tmp_path / "not there")
    Parts(tmp_path / "p", {}).remove()
    assert not (tmp_path / "p").exists()


def test_parts_hold_what_they_were_given(tmp_path):
    parts = Parts(tmp_path / "p", {"a": 1})
    features = torch.from_numpy(np.random.default_rng(0).random((2, 3), dtype=np.float32))
    parts.write(6, extraction.Part(features, ("x", "y", "z"), {7: "is empty"}))
    found = parts.read(6)
    assert torch.equal(found.features, features)
    assert (found.digests, found.broken) == (("x", "y", "z"), {7: "is empty"})
    assert parts.read(0) is None
    assert json.loads((tmp_path / "p" / "extraction.json").read_text()) == {"a": 1}
