"""What must hold when a generator is trained, stored, and given unusual data: the second half of its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from d3wrap.contract import Check, global_stream_untouched, require, tried
from d3wrap.data import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.generator import Backbone, Phase, RealBatch
from d3wrap.manager import load_plugins
from d3wrap.seeds import stream
from d3wrap.settings import D3Settings
from d3wrap.training.loop import fit

STEPS = 2
"""Iterations of every stage, and of the phases, that a check trains."""
OBJECTIVES = ("classify", "id2sd", "o2dbd")
"""What D³ is made of, and all that may be loaded where it is switched off."""


class Build(Protocol):
    """Builds the generator under check; its initial weights depend on ``seed``."""

    def __call__(self, data: GZSLDataset = ..., seed: int = ...) -> Backbone:
        """Return an untrained generator."""
        ...


def training_checks(build: Build, prepared: Backbone, dataset: GZSLDataset) -> Iterator[Check]:
    """Yield each check of training as it is done."""
    yield tried("follows the dataset's device and number format", _follows_dataset, build, dataset)
    yield tried("works for one class and one sample", _works_for_one, build, prepared, dataset)
    yield tried("is the same after its state is stored and loaded", _round_trip, build, prepared, dataset)
    yield tried("trains the same with D³ switched off as without", _off_switch, build, dataset)


def all_phases(backbone: Backbone) -> list[Phase]:
    """Return the phases of the stages and those of an iteration."""
    return [*(phase for stage in backbone.stages() for phase in stage.phases), *backbone.phases()]


def batch_of(dataset: GZSLDataset, rows: int = 16) -> RealBatch:
    """Return the first training rows as a batch."""
    features, labels = dataset.train_features[:rows], dataset.train_labels[:rows]
    return RealBatch(features, labels, dataset.semantics[labels])


def finite_losses(backbone: Backbone, phase: str, batch: RealBatch) -> Mapping[str, Tensor]:
    """Return the losses of a phase; each must be a finite scalar, drawn from no stream but the one given."""
    with global_stream_untouched():
        losses = backbone.losses(phase, batch, stream(0, "noise", batch.features.device))
    require(bool(losses), f"phase {phase!r} has no losses")
    for name, value in losses.items():
        require(value.ndim == 0, f"loss {phase}.{name} has shape {tuple(value.shape)}, expected a scalar")
        require(bool(value.isfinite()), f"loss {phase}.{name} is {value.item()} on {len(batch.labels)} rows")
    return losses


def _follows_dataset(build: Build, dataset: GZSLDataset) -> None:
    places = [dataset.to("cpu", torch.float64)]
    if torch.cuda.is_available():
        places.append(dataset.to("cuda"))
    for data in places:
        device, wanted = data.features.device, (data.features.device, data.features.dtype)
        backbone = build(data)
        backbone.prepare(data, stream(0, "prepare", device))
        for phase in all_phases(backbone):
            finite_losses(backbone, phase.name, batch_of(data))
        features = backbone.generate(data.semantics[data.unseen], rng=stream(0, "noise", device))
        found = (features.device, features.dtype)
        require(found == wanted, f"gave features on {found}, the dataset is on {wanted}")


def _works_for_one(build: Build, prepared: Backbone, dataset: GZSLDataset) -> None:
    for phase in all_phases(prepared):
        finite_losses(prepared, phase.name, batch_of(dataset, rows=1))
    label = dataset.train_labels[:1]
    rows = dataset.train[dataset.train_labels == label]
    alone = replace(dataset, seen=label, unseen=dataset.unseen[:1], train=rows)
    _fit(build(alone), alone)


def _round_trip(build: Build, prepared: Backbone, dataset: GZSLDataset) -> None:
    other = build(seed=1)
    other.load_state_dict({name: value.clone() for name, value in prepared.state_dict().items()})
    semantics, real = dataset.semantics[dataset.unseen], dataset.train_features[:4]
    for what, call in {
        "generates": lambda backbone: backbone.generate(semantics, rng=stream(0, "noise")),
        "encodes": lambda backbone: backbone.encode(real),
    }.items():
        same = torch.equal(call(prepared.eval()), call(other.eval()))
        require(same, f"after its state was loaded it {what} otherwise: keep in its state what it learned")


def _off_switch(build: Build, dataset: GZSLDataset) -> None:
    plain, enhanced = build(), build()
    settings = D3Settings(teacher_epochs=1, embedding_dim=8, generator_weights=dict.fromkeys(OBJECTIVES, 0.0))
    plugins = load_plugins(environ={"D3WRAP_PLUGINS": ",".join(OBJECTIVES)})
    _fit(plain, dataset)
    _fit(enhanced, dataset, Enhancer(enhanced, dataset, settings, plugins=plugins))
    for (name, one), two in zip(plain.state_dict().items(), enhanced.state_dict().values(), strict=True):
        require(torch.equal(one, two), f"{name} differs when D³ weighs 0: generating draws or changes something")


def _fit(backbone: Backbone, dataset: GZSLDataset, enhancer: Enhancer | None = None) -> None:
    stages = [replace(stage, steps=STEPS) for stage in backbone.stages()]
    backbone.stages = lambda: stages  # type: ignore[method-assign]
    fit(backbone, dataset, steps=STEPS, batch_size=16, seed=0, enhancer=enhancer)
