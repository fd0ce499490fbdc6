"""Open what a distillation is made of by what the command line says, so that any process can do it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.data import GZSLDataset, load_dataset
from d3wrap.data.described import with_semantics
from d3wrap.distilling.augment import resized
from d3wrap.distilling.data import DistillData, array_features, caption_features, mapped_texts
from d3wrap.distilling.images import images_of
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.student import require_fit
from d3wrap.distilling.teacher import ImageTeacher, LiveTeacher, StoredTeacher
from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of
from d3wrap.training.precision import resolve_device
from d3wrap.vision.image_model import ImageModel
from d3wrap.vision.loading import KINDS, ModelOptions, load_image_model

OWN = "own"
"""Text source: the dataset's own semantics."""
CHUNK = 64
"""Images a live teacher looks at at once while its mean is taken."""
DIRECT = "direct:"
"""Begin of a text source whose rows are in the teacher's space as they are."""


@dataclass(frozen=True)
class Source:
    """What to distil from what; every path is as it was given.

    ``teacher`` is ``features`` (the dataset's), an ``.npy`` file, or a network as
    :func:`d3wrap.vision.loading.load_image_model` takes it, which then looks at each crop the student is shown, with
    weights of its own unless ``teacher_weights`` or ``teacher_random_weights`` say otherwise. ``texts`` are sources by
    name: ``own``, a file of `d3wrap semantics build`, or ``direct:FILE``. ``inputs`` is an ``.npy`` file of features
    for the student, ``images`` a folder or zip file of images; without either the student gets the dataset's features.
    """

    source: str
    texts: Mapping[str, str]
    features: str | None = None
    split: str | None = None
    images: str | None = None
    inputs: str | None = None
    teacher: str = "features"
    teacher_weights: str | None = None
    teacher_random_weights: int | None = None
    captions: str | None = None
    train_fraction: float = 1.0
    fraction_seed: int = 0
    cache: str | None = None
    """Folder where decoded images are kept."""

    def described(self) -> dict[str, Any]:
        """Return it as a manifest has it: with the content of files, without where decoded images are kept."""
        found = asdict(replace(self, texts=dict(self.texts)))
        del found["cache"]
        files = {
            "inputs": self.inputs,
            "captions": self.captions,
            "teacher": self.teacher,
            "teacher_weights": self.teacher_weights,
        }
        files |= {f"text {name}": place.removeprefix(DIRECT) for name, place in self.texts.items()}
        if self.images is not None and Path(self.images).is_file():
            files["images"] = self.images
        found["sha256"] = {name: sha256_of(path) for name, path in files.items() if path and Path(path).is_file()}
        return found


def open_data(source: Source, settings: DistillSettings, device: str = "auto") -> DistillData:
    """Load everything; see :class:`Source`.

    Raises :class:`~d3wrap.errors.DataError` for what cannot be read or does not fit,
    :class:`~d3wrap.errors.ShapeError` for a student that cannot take the inputs, and
    :class:`~d3wrap.errors.ConfigError` for a teacher or text that makes no sense.
    """
    dataset = load_dataset(
        source.source,
        features=source.features,
        split=source.split,
        scale="none",
        train_fraction=source.train_fraction,
        fraction_seed=source.fraction_seed,
    )
    on_device = _split_alone(dataset).to(resolve_device(device))
    inputs = _inputs(source, dataset, settings)
    require_fit(settings, inputs.shape[1:])
    data = DistillData(on_device, inputs, _teacher(source, dataset, inputs, settings, on_device.labels.device), {})
    semantics, direct = {}, {}
    for name, place in source.texts.items():
        if place.startswith(DIRECT):
            direct[name] = _direct(name, place.removeprefix(DIRECT), dataset, settings).to(data.device)
        else:
            semantics[name] = dataset.semantics if place == OWN else with_semantics(dataset, place).semantics
    texts = mapped_texts(data, semantics, settings.size) if semantics else {}
    captions = None
    if source.captions is not None:
        captions = caption_features(source.captions, len(dataset.labels)).to(data.device)
    return replace(data, texts={name: (texts | direct)[name] for name in source.texts}, captions=captions)


def _split_alone(dataset: GZSLDataset) -> GZSLDataset:
    """Return the dataset for its classes and rows: what is learned from them stays where it is."""
    return replace(dataset, teacher_features=None)


def _inputs(source: Source, dataset: GZSLDataset, settings: DistillSettings) -> Tensor:
    rows = len(dataset.labels)
    if source.images is not None:
        return images_of(
            source.images,
            source.source,
            rows,
            features=source.features,
            split=source.split,
            size=settings.size,
            cache=source.cache,
        )
    if source.inputs is not None:
        return array_features(source.inputs, rows, "--inputs").float()
    if dataset.image_shape is not None and settings.student != "mlp":
        # a picture as features, e.g. the digits: brightness from 0 to the brightest
        pixels = dataset.features / dataset.features.max() * 255
        return pixels.round().to(torch.uint8).view(rows, 1, *dataset.image_shape)
    return dataset.features


def _teacher(
    source: Source, dataset: GZSLDataset, inputs: Tensor, settings: DistillSettings, device: torch.device
) -> ImageTeacher:
    centred = dataset.train if settings.centred else None
    if source.teacher == "features":
        return StoredTeacher(
            dataset.features if dataset.teacher_features is None else dataset.teacher_features, centred
        )
    if Path(source.teacher).suffix == ".npy":
        return StoredTeacher(array_features(source.teacher, len(dataset.labels), "--teacher"), centred)
    if source.teacher.partition(":")[0] not in KINDS:
        raise ConfigError(
            "--teacher: expected 'features' (the dataset's), an .npy file with a row of features for each of the "
            f"dataset's, or a network ({', '.join(f'{kind}:…' for kind in KINDS)}), found {source.teacher!r}"
        )
    if inputs.ndim != 4 or inputs.shape[1] != 3:
        raise ConfigError(f"--teacher {source.teacher}: a network needs images in colour: give --images")
    teacher = LiveTeacher(_network(source, device))
    if centred is None:
        return teacher
    return teacher.centred(resized(inputs[rows.to(inputs.device)], settings.size) for rows in centred.split(CHUNK))


def _network(source: Source, device: torch.device) -> ImageModel:
    """Return the teacher's network, one that needs no options but weights and takes any number of images."""
    kind = source.teacher.partition(":")[0]
    elsewhere = (
        "extract its features once (d3wrap features extract) and give the dataset that makes as --data, or its "
        "features as an .npy file"
    )
    try:
        model = load_image_model(
            source.teacher, ModelOptions(source.teacher_weights, source.teacher_random_weights), device
        )
    except ConfigError as error:
        if kind in ("timm", "open_clip"):
            raise
        # what it says to add are options of extraction alone
        raise ConfigError(f"--teacher {source.teacher}: cannot look at images live ({error}): {elsewhere}") from error
    if model.batch_size is not None:
        raise ConfigError(f"--teacher {source.teacher}: takes {model.batch_size} images at once alone: {elsewhere}")
    return model


def _direct(name: str, place: str | os.PathLike[str], dataset: GZSLDataset, settings: DistillSettings) -> Tensor:
    if settings.centred:
        raise ConfigError(
            f"--text {name}: rows that are in the teacher's space already do not fit image features that are centred: "
            "add --set centred=false"
        )
    if str(place) == "dataset":
        if dataset.text_features is None:
            raise DataError(f"--text {name}: dataset {dataset.name} has no text features of its own")
        return F.normalize(dataset.text_features.float(), dim=1)
    return F.normalize(with_semantics(dataset, place).semantics, dim=1)
