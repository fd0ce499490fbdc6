"""What every generator must do, as checks that run on a small dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from d3wrap.contract import Check, global_stream_untouched, require, tried
from d3wrap.data import GZSLDataset, synthetic
from d3wrap.generator import Backbone, Phase, RealBatch
from d3wrap.seeds import initialising, stream
from d3wrap.specs import GeneratorSpec

PRESET = "small"
"""The preset that is built; every generator must have it."""


def generator_checks(spec: GeneratorSpec, dataset: GZSLDataset | None = None) -> Iterator[Check]:
    """Yield each check of a generator as it is done; stops where it cannot be built."""
    if PRESET not in spec.presets:
        yield Check(f"has a preset {PRESET!r}", f"found only {', '.join(sorted(spec.presets))}")
        return
    dataset = dataset or synthetic()
    built: list[Backbone] = []

    def build() -> None:
        with initialising(0, "check"):
            backbone = spec.build(dataset, spec.presets[PRESET])
        require(isinstance(backbone, Backbone), f"build must return a Backbone, returned {type(backbone).__name__}")
        built.append(backbone)
        backbone.prepare(dataset, stream(0, "prepare"))

    first = tried("builds and prepares", build)
    yield first
    if first.fault is None:
        for name, check in _CHECKS.items():
            yield tried(name, check, built[0], dataset)


def _has_sizes(backbone: Backbone, dataset: GZSLDataset) -> None:
    found, wanted = (backbone.feature_dim, backbone.semantic_dim), (dataset.feature_dim, dataset.semantic_dim)
    require(found == wanted, f"feature_dim and semantic_dim are {found}, the dataset's are {wanted}")


def _has_phases(backbone: Backbone, dataset: GZSLDataset) -> None:
    phases = backbone.phases()
    names = [phase.name for phase in phases]
    require(len(set(names)) == len(names), f"phases share a name: {', '.join(names)}")
    own = set(backbone.parameters())
    for phase in phases:
        require(bool(phase.parameters), f"phase {phase.name!r} has no parameters")
        require(own.issuperset(phase.parameters), f"phase {phase.name!r} has parameters the backbone does not own")
        require(phase.repeats >= 1, f"phase {phase.name!r}: repeats is {phase.repeats}, expected 1 or more")
        require(phase.lr > 0, f"phase {phase.name!r}: lr is {phase.lr}, expected a number above 0")
    enhanced = [phase.name for phase in phases if phase.enhanced]
    require(len(enhanced) == 1, f"exactly one phase must be enhanced, found {enhanced}")


def _generates(backbone: Backbone, dataset: GZSLDataset) -> None:
    for rows in (len(dataset.unseen), 1):
        semantics = dataset.semantics[dataset.unseen[:rows]]
        features = backbone.generate(semantics, rng=stream(0, "noise"))
        found, wanted = tuple(features.shape), (rows, dataset.feature_dim)
        require(found == wanted, f"{rows} rows of semantics gave shape {found}, expected {wanted}")
        found_type, wanted_type = features.dtype, dataset.features.dtype
        require(found_type == wanted_type, f"gave {found_type}, expected {wanted_type}")
        require(bool(features.isfinite().all()), "gave features that are not finite")


def _repeats(backbone: Backbone, dataset: GZSLDataset) -> None:
    semantics = dataset.semantics[dataset.unseen]
    with torch.no_grad(), global_stream_untouched():
        first, second = (backbone.generate(semantics, rng=stream(0, "noise")) for _ in range(2))
    require(torch.equal(first, second), "the same rng gave other features the second time")


def _has_losses(backbone: Backbone, dataset: GZSLDataset) -> None:
    for phase in backbone.phases():
        with global_stream_untouched():
            losses = backbone.losses(phase.name, _batch(dataset), stream(0, "noise"))
        require(bool(losses), f"phase {phase.name!r} has no losses")
        for name, value in losses.items():
            require(value.ndim == 0, f"loss {phase.name}.{name} has shape {tuple(value.shape)}, expected a scalar")
            require(bool(value.isfinite()), f"loss {phase.name}.{name} is {value.item()}")
        gradients = _gradients(torch.stack(list(losses.values())).sum(), phase)
        require(any(g is not None for g in gradients), f"losses of phase {phase.name!r} reach none of its parameters")


def _passes_gradients(backbone: Backbone, dataset: GZSLDataset) -> None:
    (phase,) = (phase for phase in backbone.phases() if phase.enhanced)
    features = backbone.generate(dataset.semantics[dataset.unseen], rng=stream(0, "noise"))
    require(features.requires_grad, "generated features carry no gradient; do not detach them")
    reached = _gradients(features.square().sum(), phase)
    require(
        any(g is not None and bool(g.any()) for g in reached),
        f"generated features reach no parameter of the enhanced phase {phase.name!r}",
    )
    losses = backbone.losses(phase.name, _batch(dataset), stream(0, "noise"))
    trained = _gradients(torch.stack(list(losses.values())).sum(), phase)
    names = {parameter: name for name, parameter in backbone.named_parameters()}
    idle = [
        names[parameter]
        for parameter, one, other in zip(phase.parameters, reached, trained, strict=True)
        if one is None and other is None
    ]
    require(not idle, f"neither features nor losses reach {', '.join(idle)} of phase {phase.name!r}")


_CHECKS: dict[str, Callable[[Backbone, GZSLDataset], None]] = {
    "has the dataset's sizes": _has_sizes,
    "has valid phases, one of them enhanced": _has_phases,
    "generates features of the right shape and type, also for one row": _generates,
    "generates the same features from the same rng": _repeats,
    "has finite scalar losses in every phase": _has_losses,
    "passes gradients to every parameter of the enhanced phase": _passes_gradients,
}


def _batch(dataset: GZSLDataset) -> RealBatch:
    features, labels = dataset.train_features[:16], dataset.train_labels[:16]
    return RealBatch(features, labels, dataset.semantics[labels])


def _gradients(value: Tensor, phase: Phase) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(value, phase.parameters, allow_unused=True)
