"""Handwritten digits: a real dataset that comes with the package and is learnt in seconds."""

from __future__ import annotations

import hashlib
import io
from importlib.resources import files

import numpy as np
import torch

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.digit_attributes import digit_semantics
from d3wrap.data.splits import hold_out

UNSEEN = (0, 4, 7)
HELD_OUT = 0.25


def digits() -> GZSLDataset:
    """Return 1,797 pictures of 8 × 8 pixels, unscaled (0 to 16), of ten digits, three of them unseen.

    Always the same split: a quarter of each seen digit's pictures, drawn with seed 0, is ``test_seen``.
    Source: Alpaydin and Kaynak, UCI Machine Learning Repository, CC BY 4.0 (``optdigits/ATTRIBUTION.md``).
    """
    packed = files("d3wrap.data").joinpath("optdigits", "digits.npz").read_bytes()
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        images, labels = torch.from_numpy(file["images"]), torch.from_numpy(file["labels"])
    unseen = torch.tensor(UNSEEN)
    is_unseen = torch.isin(labels, unseen)
    seen = labels[~is_unseen].unique()
    train, test_seen = hold_out(labels, seen, HELD_OUT, seed=0)
    return GZSLDataset(
        name="digits",
        features=images.flatten(1).to(torch.float32),
        labels=labels,
        semantics=digit_semantics(),
        seen=seen,
        unseen=unseen,
        train=train,
        test_seen=test_seen,
        test_unseen=is_unseen.nonzero().squeeze(1),
        class_names=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        provenance={
            "features": "pixels",
            "split": f"unseen {', '.join(map(str, UNSEEN))}; {HELD_OUT:.0%} of each seen class held out",
            "semantics": "16 attributes of the glyphs",
            "sha256.digits.npz": hashlib.sha256(packed).hexdigest(),
        },
        image_shape=(8, 8),
    )
