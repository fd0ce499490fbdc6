"""One run: a student distilled by one recipe from one seed, measured and kept in a folder of its own."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.tensors import load_weights
from d3wrap.comparison.identity import require_same
from d3wrap.comparison.manifest import manifest
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.distilling.data import DistillData
from d3wrap.distilling.measuring import measure, measure_teacher
from d3wrap.distilling.recipe import Recipe
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.training import Distillation, Stage
from d3wrap.distilling.tuning import draw_shots, few_shot_accuracy, tuning_stage
from d3wrap.files import write_json
from d3wrap.manager import Plugins
from d3wrap.training.log import Record
from d3wrap.training.precision import Precision
from d3wrap.training.progress import watching

SCHEMA = "d3wrap.distillation/1"
WEIGHTS = "student"
"""Name of the weights in a run's folder."""


@dataclasses.dataclass(frozen=True)
class DistillResult:
    """What one run reached: means over the last epochs, and the same with the teacher in the student's place.

    ``few_shot`` is ``None`` where nothing was fine-tuned. ``seconds`` are those of training and measuring.
    """

    recipe: str
    seed: int
    values: Mapping[str, float]
    teacher: Mapping[str, float]
    few_shot: float | None
    epochs: Sequence[Mapping[str, float]]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as ``result.json`` has it."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def read(cls, path: Path) -> DistillResult | None:
        """Read ``result.json``; ``None`` where there is none, or not one that d3wrap would write."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: stored[field.name] for field in dataclasses.fields(cls)})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def run_distillation(
    data: DistillData,
    recipe: Recipe,
    settings: DistillSettings,
    *,
    seed: int,
    plugins: Plugins,
    folder: RunFolder,
    made_of: Mapping[str, Any],
    precision: Precision = "exact",
    checkpoint_every: float = 60.0,
    command: Sequence[str] | None = None,
) -> DistillResult:
    """Train, measure and fine-tune one student, and leave manifest, losses, weights and result in ``folder``.

    What is there of the same run is gone on with, and what is finished is not repeated. ``made_of`` says what images,
    teacher and texts are, for the manifest. Nothing is chosen by what is measured here. Raises
    :class:`~d3wrap.errors.DataError` where the folder holds another run.
    """
    described = manifest(
        config={
            "recipe": recipe.label,
            "weights": dict(recipe.weights),
            "settings": dataclasses.asdict(settings),
            **made_of,
            "hashes": data.hashes(),
        },
        seed=seed,
        arm="distilled",
        dataset=data.dataset,
        precision=precision,
        command=command,
    )
    result = folder.path / "result.json"
    if (found := DistillResult.read(result)) is not None:
        require_same(folder.path / "manifest.json", described)
        return found
    folder.begin(described)
    distillation = Distillation(data, recipe, settings, seed=seed, plugins=plugins, precision=precision)
    epochs, seconds = _train(distillation, folder, checkpoint_every)
    began = time.perf_counter()
    few_shot = _tune(distillation, folder, checkpoint_every) if settings.shots else None
    found = DistillResult(
        recipe=recipe.label,
        seed=seed,
        values={name: fmean(one[name] for one in epochs) for name in epochs[0]},
        teacher=measure_teacher(data, distillation.text, settings),
        few_shot=few_shot,
        epochs=epochs,
        seconds=seconds + time.perf_counter() - began,
    )
    write_json(result, found.as_dict())
    return found


def _train(distillation: Distillation, folder: RunFolder, every: float) -> tuple[list[dict[str, float]], float]:
    """Train the student unless that is done; return what the last epochs gave, and the seconds it took."""
    data, settings = distillation.data, distillation.settings
    done = folder.path / "training.json"
    if done.exists():
        stored = json.loads(done.read_text(encoding="utf-8"))
        load_weights(folder.path / f"{WEIGHTS}.safetensors", distillation.student)
        return stored["epochs"], stored["seconds"]
    checkpoints = folder.checkpoints(every)
    stage = Stage("distill", data.dataset.train, data.dataset.seen, settings.epochs, settings.lr)
    with watching(f"{distillation.recipe.label}, seed {distillation.seed}") as show:

        def log(record: Record) -> None:
            folder.append_metrics(record.as_dict())
            show(record)

        epochs = distillation.fit(
            stage,
            checkpoints=checkpoints,
            on_log=log,
            measure=lambda: measure(distillation.student, data, distillation.text, settings, distillation.precision),
        )
    folder.save_weights(WEIGHTS, distillation.student)
    write_json(done, {"epochs": epochs, "seconds": checkpoints.seconds})
    checkpoints.clear()
    return epochs, checkpoints.seconds


def _tune(distillation: Distillation, folder: RunFolder, every: float) -> float:
    """Fine-tune the student on a few images of the unseen classes; return its accuracy, mean over the last epochs."""
    data, settings = distillation.data, distillation.settings
    shots = draw_shots(data, settings.shots, distillation.seed)
    with watching(f"{distillation.recipe.label}, seed {distillation.seed}, {settings.shots} shots") as show:
        checkpoints = Checkpoints(folder.path / "tuning", every, folder.made_with, folder.path / "tuning-metrics.jsonl")
        found = distillation.fit(
            tuning_stage(data, distillation, shots),
            checkpoints=checkpoints,
            on_log=show,
            measure=lambda: {"few_shot": few_shot_accuracy(distillation, shots)},
        )
    folder.save_weights(f"{WEIGHTS}-tuned", distillation.student)
    checkpoints.clear()
    return fmean(one["few_shot"] for one in found)
