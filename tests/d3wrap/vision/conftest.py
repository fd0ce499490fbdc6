"""Pictures, folders and small networks that the tests of images share."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing


def png(seed, height=12, width=10):
    """Return the bytes of a picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def picture():
    """A function from a seed to the bytes of a PNG file."""
    return png


@pytest.fixture
def zoo(tmp_path):
    """A folder of three folders of images: 6 cats, 5 dogs, 4 emus."""
    root = tmp_path / "zoo"
    seed = 0
    for name, count in (("cat", 6), ("dog", 5), ("emu", 4)):
        (root / name).mkdir(parents=True)
        for index in range(1, count + 1):
            (root / name / f"{name}{index}.png").write_bytes(png(seed))
            seed += 1
    return root


@pytest.fixture
def zoo_semantics(tmp_path):
    """An .npz file that describes the zoo's classes, and one more, in another order and otherwise written."""
    path = tmp_path / "semantics.npz"
    np.savez(path, class_names=np.array(["Emu", "yak", "Dog", "CAT"]), semantics=np.eye(4, 6) + 1)
    return path


@pytest.fixture
def flat_model():
    """A function that makes a network whose features are the preprocessed pixels of a 2 × 2 image."""

    def make(features=lambda images: images.flatten(1), **options):
        return ImageModel(
            name="flat",
            weights=Weights("none", "0" * 64),
            preprocessing=plain_preprocessing(Wishes(mean=(0.0,) * 3, std=(1.0,) * 3), (2, 2)),
            features=features,
            versions={"torch": torch.__version__},
            device="cpu",
            **options,
        )

    return make


class Small(torch.nn.Module):
    """A network of one convolution, pooled: ``[n, 3, h, w]`` to ``[n, 4]``."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, images):
        return self.conv(images).relu().mean((2, 3))


@pytest.fixture
def torchscript(tmp_path):
    """A TorchScript file of a small network that takes 8 × 8 pixels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Small()
    path = tmp_path / "small.ts"
    torch.jit.trace(network, torch.zeros(1, 3, 8, 8)).save(str(path))
    return path
