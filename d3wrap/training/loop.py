"""The host loop: it drives every backbone, with and without D³.

A run trains the stages of the backbone, then its phases. One iteration, for each phase, ``repeats`` times:

    draw a real batch → backbone.losses → gradient on the phase's parameters
                                          └ in the enhanced phase: enhancer.on_batch → its gradient is added
                      → Adam
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from d3wrap.checkpoints.state import (
    global_streams,
    load_module_state,
    load_optimizer_state,
    module_state,
    optimizer_state,
    set_global_streams,
)
from d3wrap.data import GZSLDataset
from d3wrap.errors import PluginError
from d3wrap.generator import Backbone, Phase, Stage
from d3wrap.seeds import initialising, stream
from d3wrap.training.batches import RealBatches
from d3wrap.training.log import LossLog, Record
from d3wrap.training.optimizer import adam
from d3wrap.training.precision import Precision, computing

if TYPE_CHECKING:
    from d3wrap.checkpoints import Checkpoints
    from d3wrap.enhancer import Enhancer


def fit(
    backbone: Backbone,
    dataset: GZSLDataset,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    enhancer: Enhancer | None = None,
    precision: Precision = "exact",
    log_every: int = 50,
    on_log: Callable[[Record], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Train ``backbone`` on the training rows of ``dataset``, with D³ if given an enhancer.

    Its stages come first, then ``steps`` iterations of its phases, which D³ takes part in. Dataset and backbone are on
    one device and stay there; nothing synchronises with the host but every ``log_every`` steps, when losses are checked
    and given to ``on_log``. The random streams of data order and noise depend on ``seed`` alone, so that runs with and
    without an enhancer see the same. With ``checkpoints`` it goes on where the last one was written, and on a CPU ends
    with the bits it would have ended with. Raises :class:`~d3wrap.errors.TrainingError` within one log interval of a
    loss that is not finite.
    """
    device = dataset.features.device
    noise = stream(seed, "noise", device)
    stored = checkpoints.load() if checkpoints is not None else None
    with computing(precision, device), initialising(seed, "fit", device):
        # From a checkpoint too: what it keeps outside of parameters and buffers comes back like this.
        backbone.prepare(dataset, stream(seed, "prepare", device))
        stages = (*backbone.stages(), Stage("", steps, tuple(backbone.phases()), batch_size))
        _check(backbone, stages)
        total, done = sum(stage.steps for stage in stages), 0
        began = time.perf_counter() - (stored["seconds"] if stored else 0.0)
        for index, stage in enumerate(stages):
            if stored and index < stored["stage"]:
                done += stage.steps
                continue
            if stored:
                load_module_state(backbone, stored["backbone"])
            last = index == len(stages) - 1
            if last and enhancer is not None:
                if stored:
                    enhancer.load_training_state(stored["enhancer"])
                else:
                    enhancer.prepare()
            rows = RealBatches(
                dataset.train_features,
                dataset.train_labels,
                dataset.semantics,
                stage.batch_size or batch_size,
                stream(seed, f"batches/{stage.name}" if stage.name else "batches", device),
            )
            iteration = _Iteration(backbone, stage.phases, rows, noise, enhancer)
            log = LossLog(log_every, done)
            first = 1
            if stored:
                iteration.load_state(stored["iteration"])
                log.load_state(stored["log"], device)
                set_global_streams(stored["streams"], device)
                first, stored = stored["step"] + 1, None
            backbone.train()
            for step in range(first, stage.steps + 1):
                log.add(iteration.run())
                if log.full or step == stage.steps:
                    means = log.take()
                    if on_log is not None:
                        on_log(Record(done + step, means, time.perf_counter() - began, total))
                if checkpoints is not None and done + step < total and checkpoints.due():
                    state = {
                        "stage": index,
                        "step": step,
                        "seconds": time.perf_counter() - began,
                        "backbone": module_state(backbone),
                        "enhancer": enhancer.training_state() if last and enhancer is not None else None,
                        "iteration": iteration.state(),
                        "log": log.state(),
                        "streams": global_streams(device),
                    }
                    checkpoints.save(done + step, state)
            iteration.finish()
            backbone.eval()
            done += stage.steps


class _Iteration:
    """One iteration of a stage: every phase with its Adam, ``repeats`` times."""

    def __init__(
        self,
        backbone: Backbone,
        phases: Sequence[Phase],
        batches: RealBatches,
        noise: torch.Generator,
        enhancer: Enhancer | None,
    ) -> None:
        self.backbone, self.batches, self.noise, self.enhancer = backbone, batches, noise, enhancer
        self.phases = [(phase, *_optimizer(phase)) for phase in phases]

    def run(self) -> dict[str, Tensor]:
        """Run it and return its losses, the mean over a phase's repeats."""
        losses: dict[str, Tensor] = {}
        for phase, optimizer, schedule in self.phases:
            for _ in range(phase.repeats):
                batch = self.batches.draw()
                terms = self.backbone.losses(phase.name, batch, self.noise)
                gradients = _gradients(terms, phase.parameters)
                _add(losses, f"{self.backbone.name}/{phase.name}.", terms, 1 / phase.repeats)
                if phase.enhanced and self.enhancer is not None:
                    extra = self.enhancer.on_batch(batch.features, batch.labels)
                    gradients = self.enhancer.add_gradients(gradients, extra, phase.parameters)
                    _add(losses, "", extra.terms, 1 / phase.repeats)
                for parameter, gradient in zip(phase.parameters, gradients, strict=True):
                    parameter.grad = gradient
                optimizer.step()
            if schedule is not None:
                schedule.step()
        return losses

    def state(self) -> dict[str, Any]:
        """Return what it moves besides the networks: batches, noise, and each phase's Adam with its schedule."""
        return {
            "batches": self.batches.state(),
            "noise": self.noise.get_state(),
            "optimizers": [optimizer_state(optimizer, schedule) for _, optimizer, schedule in self.phases],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state` returned."""
        self.batches.load_state(state["batches"])
        self.noise.set_state(state["noise"])
        for (_, optimizer, schedule), stored in zip(self.phases, state["optimizers"], strict=True):
            load_optimizer_state(optimizer, stored, schedule)

    def finish(self) -> None:
        """Let go of the gradients."""
        for phase, *_ in self.phases:
            for parameter in phase.parameters:
                parameter.grad = None


def _optimizer(phase: Phase) -> tuple[Adam, LambdaLR | None]:
    optimizer = adam(phase.parameters, lr=phase.lr, betas=phase.betas, weight_decay=phase.weight_decay)
    return optimizer, LambdaLR(optimizer, phase.decay) if phase.decay else None


def _check(backbone: Backbone, stages: Sequence[Stage]) -> None:
    early = [phase.name for stage in stages[:-1] for phase in stage.phases if phase.enhanced]
    enhanced = [phase.name for phase in stages[-1].phases if phase.enhanced]
    if early or len(enhanced) != 1:
        found = ", ".join(f"{phase.name} ({'enhanced' if phase.enhanced else 'plain'})" for phase in stages[-1].phases)
        where = f", and in stages before {', '.join(early)}" if early else ""
        raise PluginError(
            f"generator {backbone.name!r} must have exactly one enhanced phase, found {found or 'none'}{where}"
        )


def _gradients(terms: Mapping[str, Tensor], parameters: tuple[torch.nn.Parameter, ...]) -> list[Tensor]:
    total = torch.stack(list(terms.values())).sum()
    return list(torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True))


def _add(losses: dict[str, Tensor], prefix: str, terms: Mapping[str, Tensor], share: float) -> None:
    for name, value in terms.items():
        key = prefix + name
        scaled = value.detach() * share
        losses[key] = losses[key] + scaled if key in losses else scaled
