"""A tiny benchmark of pictures whose colours say which class they are, and a teacher that sees them well."""

from __future__ import annotations

import pytest
import torch

from d3wrap.data.dataset import GZSLDataset
from d3wrap.distilling.data import DistillData, mapped_texts
from d3wrap.distilling.recipe import parse_recipe
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.teacher import StoredTeacher
from d3wrap.distilling.training import Distillation, Stage
from d3wrap.manager import load_plugins
from d3wrap.seeds import stream

CLASSES, EACH, WIDTH = 6, 14, 5


@pytest.fixture(scope="session")
def plugins():
    return load_plugins(environ={})


def benchmark() -> GZSLDataset:
    """Return six classes, two of them unseen, whose features are noisy copies of their semantics, times a map."""
    rng = stream(0, "tests/benchmark")
    semantics = torch.randn(CLASSES, 4, generator=rng)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    features = semantics[labels] @ torch.randn(4, WIDTH, generator=rng)
    features = features + 0.2 * torch.randn(len(labels), WIDTH, generator=rng) + 3
    place = torch.arange(len(labels)) % EACH
    return GZSLDataset(
        name="tiny",
        features=features,
        labels=labels,
        semantics=semantics,
        seen=torch.tensor([0, 1, 3, 4]),
        unseen=torch.tensor([2, 5]),
        train=((labels != 2) & (labels != 5) & (place < 10)).nonzero().squeeze(1),
        test_seen=((labels != 2) & (labels != 5) & (place >= 10)).nonzero().squeeze(1),
        test_unseen=((labels == 2) | (labels == 5)).nonzero().squeeze(1),
        class_names=tuple("abcdef"),
        provenance={"features": "made", "split": "made", "semantics": "made"},
    )


def pictures(dataset: GZSLDataset, size: int = 12) -> torch.Tensor:
    """Return pictures ``[n, 3, size, size]`` whose quarters have the features' values as brightness."""
    rng = stream(0, "tests/pictures")
    span = dataset.features.amax(0) - dataset.features.amin(0)
    bright = ((dataset.features - dataset.features.amin(0)) / span * 200).to(torch.uint8)
    images = torch.randint(0, 40, (len(dataset.labels), 3, size, size), generator=rng, dtype=torch.uint8)
    half = size // 2
    images[:, 0] += bright[:, 0, None, None]
    images[:, 1] += bright[:, 1, None, None]
    images[:, 2, :half] += bright[:, 2, None, None]
    images[:, 2, half:, :half] += bright[:, 3, None, None]
    return images


@pytest.fixture
def dataset():
    return benchmark()


@pytest.fixture
def data(dataset):
    """Pictures, the dataset's features as the teacher's, and its semantics as the text ``own``."""
    shown = DistillData(dataset, pictures(dataset), StoredTeacher(dataset.features, dataset.train), {})
    return DistillData(dataset, shown.inputs, shown.teacher, mapped_texts(shown, {"own": dataset.semantics}, 12))


@pytest.fixture
def settings():
    return DistillSettings(
        size=12, crop=8, width=4, epochs=3, batch_size=16, averaged=2, shots=2, tuning_epochs=2, neighbours=3
    )


@pytest.fixture
def distil(data, settings, plugins):
    """Return a function that makes a distillation, e.g. ``distil("cls+mse", seed=1)``."""

    def make(recipe="cls+contrastive+proximity", *, seed=0, data=data, settings=settings, weights=None, **options):
        parsed = parse_recipe(recipe, list(data.texts), weights or {}, plugins)
        return Distillation(data, parsed, settings, seed=seed, plugins=plugins, **options)

    return make


@pytest.fixture
def stage(data, settings):
    return Stage("distill", data.dataset.train, data.dataset.seen, settings.epochs, settings.lr)
