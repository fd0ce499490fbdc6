"""The host loop: it drives every backbone, with and without D³.

One iteration, for each phase of the backbone, ``repeats`` times:

    draw a real batch → backbone.losses → gradient on the phase's parameters
                                          └ in the enhanced phase: enhancer.on_batch → its gradient is added
                      → Adam
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from d3wrap.data import GZSLDataset
from d3wrap.errors import PluginError
from d3wrap.generator import Backbone
from d3wrap.seeds import initialising, stream
from d3wrap.training.batches import RealBatches
from d3wrap.training.log import LossLog, Record
from d3wrap.training.optimizer import adam
from d3wrap.training.precision import Precision, computing

if TYPE_CHECKING:
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
) -> None:
    """Train ``backbone`` on the training rows of ``dataset`` for ``steps`` iterations, with D³ if given an enhancer.

    Dataset and backbone are on one device and stay there; nothing synchronises with the host but every
    ``log_every`` steps, when losses are checked and given to ``on_log``. The random streams of data order and noise
    depend on ``seed`` alone, so that runs with and without an enhancer see the same. Raises
    :class:`~d3wrap.errors.TrainingError` within one log interval of a loss that is not finite.
    """
    device = dataset.features.device
    noise = stream(seed, "noise", device)
    with computing(precision, device), initialising(seed, "fit", device):
        backbone.prepare(dataset, stream(seed, "prepare", device))
        if enhancer is not None:
            enhancer.prepare()
        phases = tuple(backbone.phases())
        if sum(phase.enhanced for phase in phases) != 1:
            found = ", ".join(f"{phase.name} ({'enhanced' if phase.enhanced else 'plain'})" for phase in phases)
            raise PluginError(
                f"generator {backbone.name!r} must have exactly one enhanced phase, found {found or 'none'}"
            )
        optimizers = [adam(p.parameters, lr=p.lr, betas=p.betas, weight_decay=p.weight_decay) for p in phases]
        batches = RealBatches(
            dataset.train_features,
            dataset.train_labels,
            dataset.semantics,
            batch_size,
            stream(seed, "batches", device),
        )
        log = LossLog(log_every)
        backbone.train()
        began = time.perf_counter()
        for step in range(1, steps + 1):
            losses: dict[str, Tensor] = {}
            for phase, optimizer in zip(phases, optimizers, strict=True):
                for _ in range(phase.repeats):
                    batch = batches.draw()
                    terms = backbone.losses(phase.name, batch, noise)
                    gradients = _gradients(terms, phase.parameters)
                    _add(losses, f"{backbone.name}/{phase.name}.", terms, 1 / phase.repeats)
                    if phase.enhanced and enhancer is not None:
                        extra = enhancer.on_batch(batch.features, batch.labels)
                        gradients = enhancer.add_gradients(gradients, extra, phase.parameters)
                        _add(losses, "", extra.terms, 1 / phase.repeats)
                    for parameter, gradient in zip(phase.parameters, gradients, strict=True):
                        parameter.grad = gradient
                    optimizer.step()
            log.add(losses)
            if log.full or step == steps:
                means = log.take()
                if on_log is not None:
                    on_log(Record(step, means, time.perf_counter() - began))
        for phase in phases:
            for parameter in phase.parameters:
                parameter.grad = None
        backbone.eval()


def _gradients(terms: Mapping[str, Tensor], parameters: tuple[torch.nn.Parameter, ...]) -> list[Tensor]:
    total = torch.stack(list(terms.values())).sum()
    return list(torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True))


def _add(losses: dict[str, Tensor], prefix: str, terms: Mapping[str, Tensor], share: float) -> None:
    for name, value in terms.items():
        key = prefix + name
        scaled = value.detach() * share
        losses[key] = losses[key] + scaled if key in losses else scaled
