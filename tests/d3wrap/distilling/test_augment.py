"""Crops stay inside the picture, show the share they should, and depend on their stream alone."""

from __future__ import annotations

import torch

from d3wrap.distilling.augment import as_float, augmented, resized
from d3wrap.seeds import stream


def coordinates(n, size=64):
    """Return pictures whose first channel is the column and whose second is the row, 0 … 4 × 63."""
    line = torch.arange(size, dtype=torch.uint8) * 4 if size <= 64 else torch.arange(size).to(torch.uint8)
    image = torch.stack([line.expand(size, size), line[:, None].expand(size, size), torch.zeros(size, size).byte()])
    return image.expand(n, -1, -1, -1).contiguous()


def test_the_same_stream_gives_the_same_crops():
    images = coordinates(5)
    one, same, other = (augmented(images, 16, 0.3, True, stream(seed, "crops")) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (5, 3, 16, 16)
    assert one.dtype == torch.float32


def test_crops_are_parts_of_the_picture_of_the_share_asked_for_and_half_are_mirrored():
    found = augmented(coordinates(800), 16, 0.3, True, stream(0, "crops")) * 255 / 4
    across, down = found[:, 0, 8], found[:, 1, :, 8]
    width, height = ((line[:, -1] - line[:, 0]).abs() * 16 / 15 / 64 for line in (across, down))
    area = width * height
    assert found.amin() >= 0
    assert found.amax() <= 63 + 1e-3
    assert 0.27 < area.amin() < 0.36
    assert 0.9 < area.amax() < 1.05
    aspect = width / height
    assert 0.72 < aspect.amin() < 0.8
    assert 1.25 < aspect.amax() < 1.37
    mirrored = across[:, -1] < across[:, 0]
    assert 0.4 < mirrored.float().mean() < 0.6
    assert (down[:, -1] > down[:, 0]).all()


def test_the_whole_picture_without_mirroring_is_nearly_the_picture():
    images = coordinates(3)
    found = augmented(images, 64, 1.0, False, stream(0, "crops"))
    widest = found[:, 0, 32, -1] - found[:, 0, 32, 0]
    # area 1 leaves nothing to choose but the shape, which is cut down to fit
    assert (widest > 0.8 * (252 / 255)).all()
    assert torch.equal(resized(images, 64), as_float(images))


def test_resizing_averages():
    images = coordinates(1)
    small = resized(images, 8)
    assert small.shape == (1, 3, 8, 8)
    torch.testing.assert_close(small.mean((2, 3)), as_float(images).mean((2, 3)), atol=0.01, rtol=0)
    noise = torch.randint(0, 256, (4, 3, 64, 64), generator=stream(0, "noise"), dtype=torch.uint8)
    # of 64 pixels each, not of the four in the middle, which would leave a deviation of 0.14
    assert resized(noise, 8).std() < 0.05


def test_places_are_drawn_evenly_and_apart_across_and_down():
    found = augmented(coordinates(3000), 16, 0.1, False, stream(0, "crops")) * 255 / 4
    places = []
    for line in (found[:, 0, 8], found[:, 1, :, 8]):
        length = (line[:, -1] - line[:, 0]) * 16 / 15 / 64
        begin = (line[:, 0] + 0.5) / 64 - length / 32
        places.append((begin / (1 - length), length < 0.9))
    (across, narrow), (down, low) = places
    both = narrow & low
    for place in (across[both], down[both]):
        assert place.min() > -0.05
        assert place.max() < 1.05
        quarters = torch.quantile(place, torch.tensor([0.25, 0.5, 0.75]))
        torch.testing.assert_close(quarters, torch.tensor([0.25, 0.5, 0.75]), rtol=0, atol=0.04)
    assert torch.corrcoef(torch.stack([across[both], down[both]]))[0, 1].abs() < 0.06
