"""Train a student: one loop for distillation and for fine-tuning, which goes on where it was killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from d3wrap.batch import D3Batch, Embedded
from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.state import (
    global_streams,
    load_module_state,
    load_optimizer_state,
    module_state,
    optimizer_state,
    set_global_streams,
)
from d3wrap.distilling.augment import augmented
from d3wrap.distilling.data import DistillData
from d3wrap.distilling.objectives import DistillContext
from d3wrap.distilling.recipe import Recipe
from d3wrap.distilling.schedule import rate
from d3wrap.distilling.settings import DistillSettings
from d3wrap.distilling.student import Student, new_student
from d3wrap.errors import PluginError
from d3wrap.frozen import FrozenHook
from d3wrap.manager import Plugins
from d3wrap.plugin_hooks import implementations
from d3wrap.seeds import initialising, stream
from d3wrap.training.log import LossLog, Record
from d3wrap.training.precision import Precision, computing
from d3wrap.weights import named_terms, weighted_sum


@dataclass(frozen=True)
class Stage:
    """A stretch of training: which classes, rows, epochs and rate.

    ``classes`` are sorted ids of the classes trained on. Batches are of ``rows``; with ``shots``, rows too, half of
    each batch is of these instead, drawn anew. ``name`` keeps its random streams apart.
    """

    name: str
    rows: Tensor
    classes: Tensor
    epochs: int
    lr: float
    shots: Tensor | None = None


def make_student(data: DistillData, settings: DistillSettings, seed: int) -> Student:
    """Return an untrained student on the data's device; its weights depend on ``seed`` alone."""
    with initialising(seed, "distill/student"):
        student = new_student(settings, data.shape, data.teacher.width, *data.statistics())
    return student.to(data.device)


def hook_of(recipe: Recipe, settings: DistillSettings, plugins: Plugins) -> FrozenHook:
    """Build the objectives of a recipe and return their ``on_batch``.

    Raises :class:`~d3wrap.errors.PluginError` for one that has no such hook.
    """
    found = []
    for name in recipe.objectives:
        own = implementations(name, plugins.objective(name).build(DistillContext(settings)))  # type: ignore[arg-type]
        if not any(one.hook == "on_batch" for one in own):
            raise PluginError(f"objective {name!r} has no hook on_batch, so it cannot train a student")
        found += [one for one in own if one.hook == "on_batch"]
    return FrozenHook("on_batch", found)


class Distillation:
    """The training of one student by one recipe from one seed.

    Data order, crops and initial weights depend on ``seed`` alone, so that recipes of one seed are paired.
    """

    def __init__(
        self,
        data: DistillData,
        recipe: Recipe,
        settings: DistillSettings,
        *,
        seed: int,
        plugins: Plugins,
        precision: Precision = "exact",
    ) -> None:
        self.data, self.recipe, self.settings = data, recipe, settings
        self.seed, self.precision = seed, precision
        self.text = data.texts[recipe.text].to(data.device)
        self.hook = hook_of(recipe, settings, plugins)
        self.student = make_student(data, settings, seed)

    def fit(
        self,
        stage: Stage,
        *,
        checkpoints: Checkpoints | None = None,
        on_log: Callable[[Record], None] | None = None,
        measure: Callable[[], dict[str, float]] | None = None,
    ) -> list[dict[str, float]]:
        """Train the student through a stage; return what ``measure`` gave after each of the last epochs, in order.

        ``on_log`` gets the losses of each epoch. With ``checkpoints`` it goes on where the last one was written and, on
        a CPU, ends with the bits it would have ended with. Raises :class:`~d3wrap.errors.TrainingError` within an epoch
        of a loss that is not finite.
        """
        settings, device = self.settings, self.data.device
        order = _Order(stage, settings, self.seed, device)
        optimizer = _optimizer(self.student, settings, stage.lr)
        log, first, measured = LossLog(order.epoch), 0, list[dict[str, float]]()
        stored = checkpoints.load() if checkpoints is not None else None
        began = time.perf_counter() - (stored["seconds"] if stored else 0.0)
        with initialising(self.seed, f"distill/{stage.name}", device):
            if stored:
                load_module_state(self.student, stored["student"])
                load_optimizer_state(optimizer, stored["optimizer"])
                log.load_state(stored["log"], device)
                set_global_streams(stored["streams"], device)
                first, measured = stored["step"], list(stored["measured"])
            self.student.train()
            for step in range(first, order.steps):
                for group in optimizer.param_groups:
                    group["lr"] = rate(settings, step, order.steps, stage.epochs, stage.lr)
                log.add(self._step(stage, order, step, optimizer))
                done = step + 1
                if done % order.epoch == 0:
                    means = log.take()
                    if on_log is not None:
                        on_log(Record(done, means, time.perf_counter() - began, order.steps))
                    if measure is not None and stage.epochs - done // order.epoch < settings.averaged:
                        measured.append(measure())
                if checkpoints is not None and done < order.steps and checkpoints.due():
                    checkpoints.save(done, self._state(done, optimizer, log, measured, began, device))
        self.student.eval()
        return measured

    def _step(self, stage: Stage, order: _Order, step: int, optimizer: Optimizer) -> dict[str, Tensor]:
        """Take one step and return the losses, unweighted, and their weighted sum."""
        rows, rng = order.rows(step), stream(self.seed, f"distill/{stage.name}/crops/{step}")
        inputs = self.data.batch(rows)
        if self.data.are_images:
            settings = self.settings
            inputs = augmented(inputs, settings.crop, settings.least_area, settings.flip, rng)
        with computing(self.precision, self.data.device):
            found = self.student(inputs)
        batch = self.observe(stage, rows, inputs, found.float())
        terms = named_terms(self.hook(batch=batch))
        total = weighted_sum(terms, self.recipe.weight)
        if total is None:
            raise PluginError(f"recipe {self.recipe.label}: its objectives gave no loss")
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        return {**terms, "distill/total": total}

    def observe(self, stage: Stage, rows: Tensor, inputs: Tensor, found: Tensor) -> D3Batch:
        """Show a batch as the objectives see it: features of unit length, and logits against text features."""
        data, temperature = self.data, self.settings.temperature
        ours, theirs = F.normalize(found, dim=1), data.teacher.features(rows, inputs).to(found)
        return D3Batch(
            features=inputs,
            labels=data.dataset.labels[rows],
            num_real=len(rows),
            teacher=Embedded(theirs, theirs @ self.text[stage.classes].T / temperature),
            student=Embedded(ours, ours @ self.text.T / temperature),
            seen=stage.classes,
            unseen=data.dataset.unseen,
            captions=None if data.captions is None else data.captions[rows].to(found),
        )

    def _state(
        self,
        step: int,
        optimizer: Optimizer,
        log: LossLog,
        measured: Sequence[dict[str, float]],
        began: float,
        device: torch.device,
    ) -> dict[str, Any]:
        return {
            "step": step,
            "student": module_state(self.student),
            "optimizer": optimizer_state(optimizer),
            "log": log.state(),
            "streams": global_streams(device),
            "measured": list(measured),
            "seconds": time.perf_counter() - began,
        }


class _Order:
    """Which rows a step sees: a function of seed and step alone, so that nothing of it has to be kept."""

    def __init__(self, stage: Stage, settings: DistillSettings, seed: int, device: torch.device) -> None:
        self._stage, self._seed, self._device = stage, seed, device
        size = min(settings.batch_size, len(stage.rows) * (1 if stage.shots is None else 2))
        self._drawn = 0 if stage.shots is None else min(max(size // 2, 1), len(stage.shots))
        # few shots leave room for more rows than there are
        self._size = min(max(size - self._drawn, 1), len(stage.rows))
        self._passes = len(stage.rows) // self._size
        self._known: tuple[int, Tensor] = (-1, stage.rows)
        self.epoch = self._passes * settings.repeats
        self.steps = self.epoch * stage.epochs

    def rows(self, step: int) -> Tensor:
        """Return the rows of a step; the incomplete last batch of a pass is left out."""
        number, place = divmod(step, self._passes)
        if self._known[0] != number:
            rng = stream(self._seed, f"distill/{self._stage.name}/order/{number}")
            order = torch.randperm(len(self._stage.rows), generator=rng).to(self._device)
            self._known = number, self._stage.rows[order]
        rows = self._known[1][place * self._size : (place + 1) * self._size]
        if self._stage.shots is None:
            return rows
        rng = stream(self._seed, f"distill/{self._stage.name}/shots/{step}")
        chosen = torch.randperm(len(self._stage.shots), generator=rng)[: self._drawn].to(self._device)
        return torch.cat([self._stage.shots[chosen], rows])


def _optimizer(student: Student, settings: DistillSettings, lr: float) -> Optimizer:
    parameters = list(student.parameters())
    if settings.optimizer == "adamw":
        return AdamW(parameters, lr=lr, weight_decay=settings.weight_decay)
    return SGD(parameters, lr=lr, momentum=settings.momentum, weight_decay=settings.weight_decay)
