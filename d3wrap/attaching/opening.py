"""The first use of an attachment: from what was given and seen to a sampler that was tried, and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from d3wrap.attaching.options import Options
from d3wrap.attaching.real import RealRows
from d3wrap.attaching.report import AttachReport
from d3wrap.attaching.reversed import check_same_places
from d3wrap.attaching.sampling import Sample, Sampler
from d3wrap.attaching.source import Source
from d3wrap.attaching.trial import Trial, try_sampler
from d3wrap.attaching.watching import Watch
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.foreign import Recognised

FAR = 0.5
"""A sample that reaches this far out of the range of the data, in units of it, is worth a note."""


@dataclass(frozen=True)
class Opened:
    """What D³ works with once the script has started."""

    sampler: Sampler
    real: RealRows
    report: AttachReport


def open_attachment(
    source: Source,
    sample: Sample,
    how: str,
    recognised: Recognised,
    dataset: GZSLDataset,
    watch: Watch,
    optimizers: Sequence[Optimizer],
    parameters: Sequence[nn.Parameter] | None,
    options: Options,
) -> Opened:
    """Make the sampler, try it, and say what was found; raises what :func:`try_sampler` does."""
    sampler = Sampler(
        sample,
        source.table,
        dataset.features,
        networks=source.networks,
        output=source.output,
        encode=source.encode,
        seed=options.seed,
        move_buffers=source.move_buffers,
    )
    _check_table(source, dataset)
    ours = Watch(source.networks, source.table)
    try:
        trial = try_sampler(sampler, dataset, parameters, source.encode_generated, options.seed)
    finally:
        ours.stop()
    check_same_places(watch, ours)
    real = RealRows(
        dataset, batch_size=options.batch_size, seed=options.seed, current=options.real, labels=options.labels
    )
    return Opened(sampler, real, _report(source, how, recognised, dataset, optimizers, trial, real))


def beside(
    dataset: GZSLDataset, networks: Sequence[nn.Module], parameters: Sequence[nn.Parameter] | None
) -> GZSLDataset:
    """Return the dataset on the device and in the type that a script trains in, in single precision where that is half.

    Unchanged where no parameter tells.
    """
    first = next(iter(parameters or ()), None)
    if first is None:
        first = next((p for network in networks for p in network.parameters()), None)
    if first is None:
        return dataset
    return dataset.to(first.device, torch.float64 if first.dtype == torch.float64 else torch.float32)


def described(optimizers: Sequence[Optimizer]) -> str:
    """Name optimizers with the number of their parameters."""
    sizes = [sum(len(group["params"]) for group in one.param_groups) for one in optimizers]
    return ", ".join(f"{type(one).__name__} over {n} parameters" for one, n in zip(optimizers, sizes, strict=True))


def _check_table(source: Source, dataset: GZSLDataset) -> None:
    shape = list(source.table().shape)
    if len(shape) != 2 or shape[0] != dataset.num_classes:
        raise ConfigError(f"semantics: gave {shape}, expected one row for each of {dataset.num_classes} classes")


def _report(
    source: Source, how: str, recognised: Recognised, dataset: GZSLDataset, optimizers: Sequence[Optimizer],
    trial: Trial, real: RealRows,
) -> AttachReport:  # fmt: skip
    low, high = (float(v) for v in dataset.train_features.aminmax())
    notes = []
    if source.encode is None and (trial.high > high + FAR * (high - low) or trial.low < low - FAR * (high - low)):
        notes.append(
            "samples leave the range of the data: they are of an untrained network, or the data are scaled otherwise "
            "than those it is trained on"
        )
    if source.encode is None and trial.high - trial.low < 0.02 * (high - low):
        notes.append(
            "samples are nearly constant beside the data: is the network's output bounded (sigmoid), and the data not?"
        )
    if not trial.varies:
        notes.append(
            "samples do not vary: two of one class are the same, so no noise is drawn. Is this the network that makes "
            "features, or one that makes semantics for it?"
        )
    if 2 * len(trial.reached) < len(trial.parameters):
        notes.append("D³ trains less than half of the optimizer's parameters; the others are not used to sample")
    return AttachReport(
        generator=source.name,
        optimizer=described(optimizers) or "none: add on_batch(...).total to the loss",
        sampling=how,
        width=trial.width,
        low=trial.low,
        high=trial.high,
        data_low=low,
        data_high=high,
        reached=len(trial.reached),
        parameters=len(trial.parameters),
        real=real.source if optimizers else "what on_batch is given",
        data=recognised.lines,
        notes=tuple(notes),
    )
