"""What networks are shown: the plain preprocessing is torchvision's, and wishes are checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from d3wrap.errors import ConfigError
from d3wrap.vision.importing import mend_torchvision
from d3wrap.vision.preprocessing import IMAGENET_MEAN, IMAGENET_STD, INTERPOLATIONS, Wishes, plain_preprocessing


def noise(height, width, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("shape", [(50, 70), (70, 50), (33, 33), (16, 90), (24, 24), (21, 300)])
@pytest.mark.parametrize(("size", "crop", "interpolation"), [(24, 1.0, "bicubic"), (21, 0.875, "bilinear")])
def test_it_is_what_torchvision_does(shape, size, crop, interpolation):
    mend_torchvision()
    transforms = pytest.importorskip("torchvision.transforms")
    mode = getattr(transforms.InterpolationMode, interpolation.upper())
    oracle = transforms.Compose(
        [
            transforms.Resize(int(size / crop), interpolation=mode),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    image = noise(*shape)
    prepared = plain_preprocessing(Wishes(crop=crop, interpolation=interpolation), (size, size))(image)
    assert prepared.shape == (3, size, size)
    torch.testing.assert_close(prepared, oracle(image), rtol=0, atol=1e-6)


def test_an_image_of_the_right_size_is_only_normalised():
    image = noise(6, 9)
    wishes = Wishes(mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    prepared = plain_preprocessing(wishes, (6, 9))(image)
    pixels = np.asarray(image, dtype=np.float64) / 255
    expected = (pixels - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]
    np.testing.assert_allclose(prepared.numpy(), expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (11, 12)])
def test_a_shape_that_is_not_square_is_covered(shape):
    prepared = plain_preprocessing(Wishes(mean=(0,) * 3, std=(1,) * 3), (12, 20))
    assert prepared(noise(*shape)).shape == (3, 12, 20)
    white = Image.new("RGB", shape[::-1], "white")
    assert (prepared(white) == 1).all()  # nothing was filled up


def test_the_middle_stays():
    image = noise(6, 12)
    prepared = plain_preprocessing(Wishes(mean=(0,) * 3, std=(1,) * 3), (6, 6))(image)
    expected = torch.from_numpy(np.array(image)[:, 3:9]).permute(2, 0, 1).float() / 255
    assert torch.equal(prepared, expected)
    upright = plain_preprocessing(Wishes(mean=(0,) * 3, std=(1,) * 3), (6, 6))(
        image.transpose(Image.Transpose.ROTATE_90)
    )
    turned = np.asarray(image.transpose(Image.Transpose.ROTATE_90))[3:9]
    assert torch.equal(upright, torch.from_numpy(turned.copy()).permute(2, 0, 1).float() / 255)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_every_interpolation_is_known(interpolation):
    prepared = plain_preprocessing(Wishes(interpolation=interpolation), (5, 5))
    assert prepared(noise(20, 20)).isfinite().all()
    assert prepared.settings["interpolation"] == interpolation


def test_it_says_what_it_does():
    prepared = plain_preprocessing(Wishes(crop=0.875, mean=(0.5, 0.5, 0.5)), (8, 8))
    assert prepared.described() == (
        "size 8 × 8, crop 0.875, interpolation bicubic, mean 0.5/0.5/0.5, std 0.229/0.224/0.225"
    )


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"crop": 0.0}, r"crop is 0.0, expected a share in \(0, 1\]"),
        ({"crop": 1.5}, "crop is 1.5"),
        ({"mean": (1.0, 2.0)}, "mean has 2 values, expected three"),
        ({"std": (0.0, 1.0, 1.0)}, "std is .* above 0"),
        ({"interpolation": "cubic"}, "interpolation is 'cubic', expected one of bicubic"),
    ],
)
def test_impossible_wishes_are_refused(wish, message):
    with pytest.raises(ConfigError, match=message):
        Wishes(**wish)
