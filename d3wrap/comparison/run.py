"""One run: train one arm from one seed, measure it, and leave a folder that says how."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from d3wrap.checkpoints.checkpoints import EVERY
from d3wrap.comparison.manifest import manifest, versions
from d3wrap.comparison.results import DIAGNOSTICS, METRICS, RunResult
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.config import Override
from d3wrap.data.dataset import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.files import write_json
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins
from d3wrap.seeds import initialising
from d3wrap.settings import D3Settings
from d3wrap.training.log import Record
from d3wrap.training.loop import fit
from d3wrap.training.precision import Precision, computing
from d3wrap.wrap import build_generator

Arm = Literal["baseline", "enhanced"]


@dataclass(frozen=True)
class Plan:
    """What the runs of one generator share, whatever their arm and seed."""

    generator: str
    preset: str = "small"
    settings: Sequence[Override] | Mapping[str, Any] = ()
    """Changes to the preset."""
    d3: D3Settings = dataclasses.field(default_factory=D3Settings)
    classifiers: Sequence[str] = CLASSIFIERS
    precision: Precision = "exact"
    log_every: int = 50
    source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Arguments of :func:`d3wrap.load_dataset` that gave the dataset."""
    block: Sequence[str] = ()
    """Plugins that were blocked."""


@dataclass(frozen=True)
class Trained:
    """A trained arm: the generator, its enhancer where it has one, and the seconds training took."""

    backbone: Backbone
    enhancer: Enhancer | None
    seconds: float


def build(plan: Plan, dataset: GZSLDataset, arm: Arm, seed: int, plugins: Plugins) -> tuple[Backbone, Enhancer | None]:
    """Build generator and enhancer of an arm, untrained."""
    backbone = build_generator(
        plan.generator, dataset, preset=plan.preset, settings=plan.settings, seed=seed, plugins=plugins
    )
    enhanced = arm == "enhanced"
    return backbone, Enhancer(backbone, dataset, plan.d3, seed=seed, plugins=plugins) if enhanced else None


def describe(
    plan: Plan,
    dataset: GZSLDataset,
    arm: Arm,
    seed: int,
    backbone: Backbone,
    plugins: Plugins,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a run: enough to build it again. ``command`` is by default that of this process."""
    config = {
        "data": dict(plan.source),
        "generator": plan.generator,
        "preset": plan.preset,
        "settings": dataclasses.asdict(backbone.settings),
        "d3": dataclasses.asdict(plan.d3.resolved(backbone.gradient_share)),
        "classifiers": list(plan.classifiers),
        "block": list(plan.block),
        "plugins": list(plugins.names),
    }
    return manifest(config=config, seed=seed, arm=arm, dataset=dataset, precision=plan.precision, command=command)


def train(
    plan: Plan,
    dataset: GZSLDataset,
    arm: Arm,
    seed: int,
    plugins: Plugins,
    folder: RunFolder,
    on_log: Callable[[Record], None] | None = None,
    *,
    checkpoint_every: float = EVERY,
    command: Sequence[str] | None = None,
) -> Trained:
    """Train one arm; ``folder`` gets manifest, losses as they come, and at the end weights and ``training.json``.

    Training goes on from a checkpoint that is there, and writes one every ``checkpoint_every`` seconds (0: after every
    step); they are removed when it ends. Raises :class:`~d3wrap.errors.DataError` where another run is stored there.
    """
    backbone, enhancer = build(plan, dataset, arm, seed, plugins)

    def log(record: Record) -> None:
        folder.append_metrics(
            {
                "step": record.step,
                "total": record.total,
                "seconds": round(record.seconds, 3),
                "losses": dict(record.losses),
            }
        )
        if on_log is not None:
            on_log(record)

    folder.begin(describe(plan, dataset, arm, seed, backbone, plugins, command))
    checkpoints = folder.checkpoints(checkpoint_every)
    fit(
        backbone,
        dataset,
        steps=backbone.settings.steps,
        batch_size=backbone.settings.batch_size,
        seed=seed,
        enhancer=enhancer,
        precision=plan.precision,
        log_every=plan.log_every,
        on_log=log,
        checkpoints=checkpoints,
    )
    seconds = checkpoints.seconds
    folder.save_weights("generator", backbone)
    if enhancer is not None:
        folder.save_weights("enhancer", enhancer.state_dict())
    write_json(folder.path / "training.json", {"seconds": seconds})
    checkpoints.clear()
    return Trained(backbone, enhancer, seconds)


def measure(plan: Plan, dataset: GZSLDataset, seed: int, trained: Trained) -> tuple[Evaluation, float]:
    """Measure a trained arm; return what its classifiers reached and the seconds that took."""
    began, device = time.perf_counter(), dataset.features.device
    # Nothing here should draw from the global streams; what does so all the same gives the same in every process.
    with computing(plan.precision, device), initialising(seed, "measure", device):
        evaluation = evaluate_generator(
            trained.backbone,
            dataset,
            seed=seed,
            synthetic_per_class=trained.backbone.settings.synthetic_per_class,
            classifiers=plan.classifiers,
            embedding_dim=plan.d3.embedding_dim,
            enhancer=trained.enhancer,
        )
    return evaluation, time.perf_counter() - began


def results(
    plan: Plan, dataset: GZSLDataset, arm: Arm, seed: int, trained: Trained, evaluation: Evaluation, seconds: float
) -> list[RunResult]:
    """Return one result per classifier, as ``results.json`` stores it."""
    settings = trained.backbone.settings
    return [
        RunResult(
            dataset=dataset.name,
            generator=plan.generator,
            preset=plan.preset,
            arm=arm,
            seed=seed,
            classifier=classifier,  # type: ignore[arg-type]
            **{name: getattr(metrics, name) for name in METRICS + DIAGNOSTICS},
            per_class=metrics.per_class,
            protocol="honest",
            test_used_for_selection=False,
            formulation=plan.d3.formulation if arm == "enhanced" else None,
            features=dataset.provenance["features"],
            semantics=dataset.provenance["semantics"],
            split=dataset.provenance["split"],
            train_fraction=dataset.train_fraction,
            steps=settings.steps,
            batch_size=settings.batch_size,
            training_seconds=trained.seconds,
            evaluation_seconds=seconds,
            device=str(dataset.features.device),
            dtype=str(dataset.features.dtype).removeprefix("torch."),
            precision=plan.precision,
            versions=versions(),
        )
        for classifier, metrics in evaluation.items()
    ]
