"""One arm in one validation world: trained once, and measured at any of the steps whose weights were kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.snapshots import Snapshots
from d3wrap.data.dataset import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.errors import DataError
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.files import append_json, write_json
from d3wrap.generator import Backbone
from d3wrap.seeds import initialising
from d3wrap.training.log import Record
from d3wrap.training.loop import fit
from d3wrap.training.precision import Precision, computing

Build = Callable[[GZSLDataset], tuple[Backbone, Enhancer | None]]
"""Builds an arm, untrained, for a dataset."""
LOGGED = 50
"""Steps between two lines of losses, about: the candidates' steps are a multiple of them."""


class Fold:
    """An arm built for ``world``, and ``folder``, where a killed one is gone on with."""

    def __init__(self, world: GZSLDataset, build: Build, folder: Path, *, seed: int, precision: Precision) -> None:
        self.world, self.folder, self.seed, self.precision = world, folder, seed, precision
        self.backbone, self.enhancer = build(world)
        self.snapshots = Snapshots(folder)
        self.measuring = 0.0
        """Seconds spent measuring."""

    def train(self, points: int, checkpoint_every: float, made_with: Mapping[str, Any]) -> list[int]:
        """Train to the end unless that is done, and return the ``points`` numbers of steps whose weights are kept."""
        if not self._mark.exists():
            self._train(points, checkpoint_every, made_with)
        return self.snapshots.steps

    @property
    def seconds(self) -> float:
        """Seconds that training took, from its beginning, and measuring since this process began."""
        try:
            return float(json.loads(self._mark.read_text(encoding="utf-8"))["seconds"]) + self.measuring
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{self._mark}: not as d3wrap wrote it ({error}); remove the folder") from error

    def measure(
        self, steps: int, synthetic_per_class: int, classifiers: Sequence[str], embedding_dim: int
    ) -> Evaluation:
        """Measure the arm as it was after ``steps`` steps."""
        began, device = time.perf_counter(), self.world.features.device
        self.snapshots.load(steps, self.backbone, self.enhancer)
        with computing(self.precision, device), initialising(self.seed, "measure", device):
            found = evaluate_generator(
                self.backbone.eval(),
                self.world,
                seed=self.seed,
                synthetic_per_class=synthetic_per_class,
                classifiers=classifiers,
                embedding_dim=embedding_dim,
                enhancer=self.enhancer,
            )
        self.measuring += time.perf_counter() - began
        return found

    @property
    def _mark(self) -> Path:
        return self.folder / "training.json"

    def _train(self, points: int, checkpoint_every: float, made_with: Mapping[str, Any]) -> None:
        settings = self.backbone.settings
        apart = max(1, -(-settings.steps // points))
        journal = self.folder / "metrics.jsonl"

        def log(record: Record) -> None:
            append_json(journal, record.as_dict())
            step = record.step - (record.total - settings.steps)
            if step > 0 and (step % apart == 0 or step == settings.steps):
                self.snapshots.save(step, self.backbone, self.enhancer)

        checkpoints = Checkpoints(self.folder / "checkpoints", checkpoint_every, made_with, journal)
        fit(
            self.backbone,
            self.world,
            steps=settings.steps,
            batch_size=settings.batch_size,
            seed=self.seed,
            enhancer=self.enhancer,
            precision=self.precision,
            log_every=_divisor(apart),
            on_log=log,
            checkpoints=checkpoints,
        )
        write_json(self._mark, {"seconds": checkpoints.seconds})
        checkpoints.clear()


def _divisor(steps: int) -> int:
    """Return the smallest divisor of ``steps`` that is :data:`LOGGED` or more, ``steps`` itself if that is fewer."""
    return next(n for n in range(min(LOGGED, steps), steps + 1) if steps % n == 0)
