"""What every generator must do, as checks that run on a small dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from d3wrap.contract import Check, global_stream_untouched, require, tried
from d3wrap.contract_training import all_phases, batch_of, finite_losses, training_checks
from d3wrap.data import GZSLDataset, synthetic
from d3wrap.evaluation.modes import evaluating
from d3wrap.generator import Backbone, Phase
from d3wrap.seeds import initialising, stream
from d3wrap.space import encodes
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

    def build(data: GZSLDataset = dataset, seed: int = 0) -> Backbone:
        with initialising(seed, "check"):
            backbone = spec.build(data, spec.presets[PRESET])
        require(isinstance(backbone, Backbone), f"build must return a Backbone, returned {type(backbone).__name__}")
        return backbone.to(data.features)

    def prepare() -> None:
        built.append(build())
        built[0].prepare(dataset, stream(0, "prepare"))

    first = tried("builds and prepares", prepare)
    yield first
    if first.fault is None:
        for name, check in _CHECKS.items():
            yield tried(name, check, built[0], dataset)
        yield from training_checks(build, built[0], dataset)


def _has_sizes(backbone: Backbone, dataset: GZSLDataset) -> None:
    found, wanted = (backbone.feature_dim, backbone.semantic_dim), (dataset.feature_dim, dataset.semantic_dim)
    require(found == wanted, f"feature_dim and semantic_dim are {found}, the dataset's are {wanted}")


def _has_phases(backbone: Backbone, dataset: GZSLDataset) -> None:
    for stage in backbone.stages():
        require(stage.steps >= 1, f"stage {stage.name!r}: steps is {stage.steps}, expected 1 or more")
        early = [phase.name for phase in stage.phases if phase.enhanced]
        require(not early, f"stage {stage.name!r} has enhanced phases {early}; D³ joins after the stages")
    phases = all_phases(backbone)
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


def _encodes(backbone: Backbone, dataset: GZSLDataset) -> None:
    real = dataset.train_features[:4]
    with evaluating(backbone):
        encoded, other = backbone.encode(real), backbone.encode(_last_changed(real))
    shape = tuple(encoded.shape)
    require(len(shape) == 2 and shape[0] == len(real), f"encode gave shape {shape} for {len(real)} rows")
    _require_rows_alone(encoded, other, "encode")


def _generates(backbone: Backbone, dataset: GZSLDataset) -> None:
    outputs = {"generate": (backbone.generate, backbone.encode(dataset.train_features[:1]).shape[1])}
    if encodes(backbone):
        outputs["generate_features"] = (backbone.generate_features, dataset.feature_dim)
    for rows in (len(dataset.unseen), 1):
        semantics = dataset.semantics[dataset.unseen[:rows]]
        for name, (generate, width) in outputs.items():
            features = generate(semantics, rng=stream(0, "noise"))
            found, wanted = tuple(features.shape), (rows, width)
            require(found == wanted, f"{name}: {rows} rows of semantics gave shape {found}, expected {wanted}")
            found_type, wanted_type = features.dtype, dataset.features.dtype
            require(found_type == wanted_type, f"{name} gave {found_type}, expected {wanted_type}")
            require(bool(features.isfinite().all()), f"{name} gave features that are not finite")


def _generates_rows_alone(backbone: Backbone, dataset: GZSLDataset) -> None:
    semantics = dataset.semantics[dataset.seen[:4]]
    with evaluating(backbone):
        some, other = (backbone.generate(s, rng=stream(0, "noise")) for s in (semantics, _last_changed(semantics)))
    _require_rows_alone(some, other, "generate")


def _last_changed(rows: Tensor) -> Tensor:
    return torch.cat([rows[:-1], 1 - rows[-1:]])


def _require_rows_alone(some: Tensor, other: Tensor, what: str) -> None:
    alone = torch.equal(some[:-1], other[:-1])
    require(alone, f"{what}: a row depends on the rows beside it, so blocks give other features than all at once")


def _repeats(backbone: Backbone, dataset: GZSLDataset) -> None:
    semantics = dataset.semantics[dataset.unseen]
    with torch.no_grad(), global_stream_untouched():
        first, second = (backbone.generate(semantics, rng=stream(0, "noise")) for _ in range(2))
    require(torch.equal(first, second), "the same rng gave other features the second time")


def _has_losses(backbone: Backbone, dataset: GZSLDataset) -> None:
    for phase in all_phases(backbone):
        losses = finite_losses(backbone, phase.name, batch_of(dataset))
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
    losses = backbone.losses(phase.name, batch_of(dataset), stream(0, "noise"))
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
    "encodes real features row by row": _encodes,
    "generates samples of the right shape and type, also for one row": _generates,
    "generates each row by itself, so that blocks equal all at once": _generates_rows_alone,
    "generates the same features from the same rng": _repeats,
    "has finite scalar losses in every phase": _has_losses,
    "passes gradients to every parameter of the enhanced phase": _passes_gradients,
}


def _gradients(value: Tensor, phase: Phase) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(value, phase.parameters, allow_unused=True)
