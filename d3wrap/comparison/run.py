"""One run: train one arm from one seed, measure it, and leave a folder that says how."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from d3wrap.checkpoints.checkpoints import EVERY
from d3wrap.checkpoints.snapshots import Snapshots
from d3wrap.comparison.choosing import Protocol, made_choice
from d3wrap.comparison.log_points import LAST, wanted
from d3wrap.comparison.manifest import manifest, versions
from d3wrap.comparison.results import CALIBRATED, DIAGNOSTICS, METRICS, RunResult
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.run_loggers import RunLoggers
from d3wrap.config import Override
from d3wrap.data.dataset import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.evaluation.metrics import Metrics
from d3wrap.files import write_json
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins
from d3wrap.protocol import Vault
from d3wrap.protocol.choice import Choice, Search
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
    protocol: Protocol = "fixed"
    search: Search = dataclasses.field(default_factory=Search)
    """What the honest protocol chooses from."""
    tuned: Mapping[str, Any] | None = None
    """Where the settings come from, if `d3wrap tune` found them: for the manifest."""


@dataclass(frozen=True)
class Trained:
    """A trained arm: the generator, its enhancer where it has one, and the seconds training took.

    ``vault`` still holds the test rows; ``choice`` is that of the honest protocol; ``snapshots`` are weights kept on
    the way, if any.
    """

    backbone: Backbone
    enhancer: Enhancer | None
    seconds: float
    vault: Vault
    steps: int
    choice: Choice | None = None
    snapshots: Snapshots | None = None

    @property
    def synthetic_per_class(self) -> int:
        """Features generated per unseen class to train the classifiers on."""
        return self.backbone.settings.synthetic_per_class if self.choice is None else self.choice.synthetic_per_class


@dataclass(frozen=True)
class Measured:
    """What a run reached: at its last step, by log point before it, and the seconds that took."""

    final: Evaluation
    earlier: Mapping[int, Evaluation]
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
        "protocol": plan.protocol,
        "search": dataclasses.asdict(plan.search),
        "log_every": plan.log_every,
    }
    if plan.tuned is not None:
        config["tuned"] = dict(plan.tuned)
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
    loggers: RunLoggers | None = None,
) -> Trained:
    """Train one arm; ``folder`` gets manifest, losses as they come, and at the end weights and ``training.json``.

    Under the honest protocol, ``choice.json`` comes first. Test rows stay in a vault. Training goes on from a
    checkpoint that is there, and writes one every ``checkpoint_every`` seconds (0: after every step); they are removed
    when it ends. Raises :class:`~d3wrap.errors.DataError` where another run is stored there.
    """
    vault, snapshots = Vault(dataset), Snapshots(folder.path)
    backbone, enhancer = build(plan, vault.sealed, arm, seed, plugins)
    folder.begin(describe(plan, dataset, arm, seed, backbone, plugins, command))
    if loggers is not None:
        loggers.start()
    choice = None
    if plan.protocol == "honest":
        choice = made_choice(
            folder,
            lambda world: build(plan, world, arm, seed, plugins),
            vault.sealed,
            seed=seed,
            search=plan.search,
            classifiers=list(plan.classifiers),
            embedding_dim=plan.d3.embedding_dim,
            precision=plan.precision,
            checkpoint_every=checkpoint_every,
        )
    steps = decide(vault, plan, backbone, choice)
    kept = wanted(steps, plan.log_every, plan.protocol)

    def log(record: Record) -> None:
        folder.append_metrics(record.as_dict())
        step = record.step - (record.total - steps)
        if step in kept:
            snapshots.save(step, backbone, enhancer)
        if loggers is not None:
            loggers.follow()
        if on_log is not None:
            on_log(record)

    checkpoints = folder.checkpoints(checkpoint_every)
    fit(
        backbone,
        vault.sealed,
        steps=steps,
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
    return Trained(backbone, enhancer, seconds, vault, steps, choice, snapshots)


def decide(vault: Vault, plan: Plan, backbone: Backbone, choice: Choice | None) -> int:
    """Tell the vault what was chosen, and return the number of steps."""
    steps = backbone.settings.steps if choice is None else choice.steps
    vault.decide(protocol=plan.protocol, steps=steps, gammas={} if choice is None else choice.gammas)
    return steps


def measure(plan: Plan, seed: int, trained: Trained) -> Measured:
    """Open the vault, and measure a trained arm at its last step and at the log points that were kept."""
    dataset = trained.vault.open()
    began, device = time.perf_counter(), dataset.features.device

    def evaluation() -> Evaluation:
        # Nothing here should draw from the global streams; what does so all the same gives the same in every process.
        with computing(plan.precision, device), initialising(seed, "measure", device):
            return evaluate_generator(
                trained.backbone,
                dataset,
                seed=seed,
                synthetic_per_class=trained.synthetic_per_class,
                classifiers=plan.classifiers,
                embedding_dim=plan.d3.embedding_dim,
                enhancer=trained.enhancer,
            )

    final = evaluation()
    earlier = {}
    if trained.snapshots is not None:
        earlier = {step: evaluation() for step in trained.snapshots.each(trained.backbone, trained.enhancer)}
    return Measured(final, earlier, time.perf_counter() - began)


def results(
    plan: Plan, dataset: GZSLDataset, arm: Arm, seed: int, trained: Trained, measured: Measured
) -> list[RunResult]:
    """Return one result per classifier, as ``results.json`` stores it.

    Under the protocol of the papers it is that of the step of the highest H on the test set; else of the last step.
    """
    settings = trained.backbone.settings
    points = {**measured.earlier, trained.steps: measured.final}
    last5 = list(points)[-LAST:]
    best = {
        name: max(points, key=lambda step: points[step][name].H) if plan.protocol == "paper" else trained.steps
        for name in measured.final
    }
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
            protocol=plan.protocol,
            test_used_for_selection=plan.protocol == "paper",
            formulation=plan.d3.formulation if arm == "enhanced" else None,
            features=dataset.provenance["features"],
            semantics=dataset.provenance["semantics"],
            split=dataset.provenance["split"],
            train_fraction=dataset.train_fraction,
            steps=best[classifier],
            batch_size=settings.batch_size,
            training_seconds=trained.seconds,
            evaluation_seconds=measured.seconds,
            device=str(dataset.features.device),
            dtype=str(dataset.features.dtype).removeprefix("torch."),
            precision=plan.precision,
            versions=versions(),
            **_calibrated(metrics, trained.choice, classifier),
            synthetic_per_class=trained.synthetic_per_class,
            last5={n: fmean(getattr(points[step][classifier], n) for step in last5) for n in METRICS},
            last_step={n: getattr(measured.final[classifier], n) for n in METRICS}
            if plan.protocol == "paper"
            else None,
        )
        for classifier in measured.final
        for metrics in [points[best[classifier]][classifier]]
    ]


def _calibrated(metrics: Metrics, choice: Choice | None, classifier: str) -> dict[str, float]:
    """Return U, S and H at the γ chosen in the validation world; nothing where none was chosen."""
    if choice is None or classifier not in choice.gammas:
        return {}
    gamma = choice.gammas[classifier]
    return {"gamma": gamma} | dict(zip(CALIBRATED, metrics.curve.at(gamma), strict=True))
