"""``d3wrap.attach``: three lines in somebody's script."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from d3wrap.arguments import Order
from d3wrap.attaching.calling import Given
from d3wrap.attaching.handle import Handle
from d3wrap.attaching.isolation import isolated
from d3wrap.attaching.options import Options
from d3wrap.attaching.report import AttachReport
from d3wrap.attaching.roles import Noise
from d3wrap.attaching.sampling import Sample
from d3wrap.attaching.source import Source
from d3wrap.attaching.stepping import as_optimizers
from d3wrap.config import apply_overrides
from d3wrap.errors import ConfigError, DataError
from d3wrap.foreign import Convention, Recognised, foreign_dataset
from d3wrap.manager import Plugins
from d3wrap.outputs import Output
from d3wrap.settings import D3Settings

Semantics = Tensor | Callable[[], Tensor]


def attach(
    generator: nn.Module | Sample | None = None,
    data: object = None,
    *,
    sample: Sample | None = None,
    optimizer: Optimizer | Iterable[Optimizer] | None = None,
    semantics: Semantics | None = None,
    encode: Callable[[Tensor], object] | None = None,
    encode_generated: bool | None = None,
    real: Callable[[], tuple[Tensor, Tensor]] | None = None,
    labels: Convention | None = None,
    order: Order | None = None,
    noise_dim: int | None = None,
    noise: Noise | None = None,
    call: Callable[[nn.Module, Tensor, Tensor], object] | None = None,
    output: Output | None = None,
    parameters: Iterable[nn.Parameter] | None = None,
    batch_size: int = 64,
    every: int = 1,
    inner_steps: int = 1,
    start_step: int = 0,
    scale: float = 1.0,
    move_buffers: bool = False,
    seed: int = 0,
    plugins: Plugins | None = None,
    report: bool | Callable[[AttachReport], object] = True,
    **settings: Any,
) -> Handle:
    """Attach D³ to a generator whose training loop is somebody else's, and return the handle.

    ``generator`` is a network, or a function ``sample(semantics [n, k])`` that gives features ``[n, d]`` with
    gradients and draws its own noise (``sample(semantics, classes)`` also gets the class ids); ``sample=`` says how to
    sample where both are given. How a bare network is called is seen from the script's own calls; ``order``,
    ``noise_dim``, ``noise`` (``"normal"``, ``"uniform"``), ``call=lambda network, noise, semantics: ...`` and
    ``output`` settle what cannot be seen. ``data`` is a :class:`~d3wrap.data.GZSLDataset`, the script's own loader, or
    a mapping of arrays, with real features as the script scaled them (:func:`d3wrap.foreign.foreign_dataset`).
    ``semantics`` is the table ``[C, k]`` that the generator is given, a function where it changes; ``encode`` takes
    features ``[n, d]`` to the space ``[n, e]`` that the script classifies in, and generated ones too
    (``encode_generated``) where their width does not tell that they are there already.

    With ``optimizer`` (one or several) D³'s gradient is added before each of its steps, and taken away after; without,
    add ``handle.on_batch(features, labels).total`` to the loss. ``real=lambda: (features, labels)`` gives the script's
    current batch, else ``batch_size`` rows are drawn from ``data``; ``labels`` is the convention of its labels, else
    found out. D³ takes part in every ``every``-th step from ``start_step`` on, with ``inner_steps`` steps of the
    student; ``scale`` multiplies its gradient. ``parameters`` are those that :meth:`Handle.on_batch` is to reach, for
    the report. ``move_buffers`` lets D³'s samples move running statistics. ``report=False`` keeps the report off
    stderr; a function gets it instead. ``settings`` are fields of :class:`~d3wrap.settings.D3Settings`.

    Raises :class:`~d3wrap.errors.ConfigError`, :class:`~d3wrap.errors.DataError` and
    :class:`~d3wrap.errors.ShapeError`; what needs the script to have started is checked at its first step.
    """
    network, sample = _generator(generator, sample)
    if data is None:
        raise ConfigError("attach: data is missing: give a GZSLDataset, the script's loader, or a mapping of arrays")
    recognised = _recognise(data, semantics, labels, seed)
    optimizers = as_optimizers(optimizer)
    options = Options(
        settings=apply_overrides(D3Settings(), settings, "attach"),
        real=real,
        labels=labels,
        parameters=None if parameters is None else tuple(parameters),
        batch_size=batch_size,
        every=every,
        inner_steps=inner_steps,
        start_step=start_step,
        scale=scale,
        seed=seed,
        plugins=plugins,
        show=report if callable(report) else _print if report else None,
    )
    source = Source(
        network,
        sample,
        _table(semantics, recognised.dataset.semantics, seed),
        Given(order, noise_dim, noise, call),
        output,
        encode,
        encode_generated,
        move_buffers,
    )
    return Handle(source, recognised, optimizers, options)


def _generator(generator: object, sample: Sample | None) -> tuple[nn.Module | None, Sample | None]:
    """Return the network and the function; a function may be given in the place of a network."""
    if isinstance(generator, nn.Module):
        return generator, sample
    if generator is None and sample is not None:
        return None, sample
    if callable(generator) and sample is None and not isinstance(generator, type):
        return None, generator
    what = "nothing" if generator is None else f"a {type(generator).__name__}"
    raise ConfigError(
        f"attach: expected a network (torch.nn.Module) or a function sample(semantics), found {what}; "
        "sample=lambda semantics: ... always works"
    )


def _recognise(data: object, semantics: Semantics | None, labels: Convention | None, seed: int) -> Recognised:
    if semantics is None or not callable(semantics):
        return foreign_dataset(data, semantics=semantics, labels=labels)
    try:
        return foreign_dataset(data, labels=labels)
    except DataError:  # the data may hold no table, where the script computes it
        return foreign_dataset(data, semantics=_table(semantics, torch.empty(0), seed)().detach(), labels=labels)


def _table(semantics: Semantics | None, found: Tensor, seed: int) -> Callable[[], Tensor]:
    """Return a function that gives the table as it is now, wherever the script's networks are."""
    if not callable(semantics):
        return lambda: found

    def table() -> Tensor:
        with isolated(seed, "semantics"):
            return semantics()

    return table


def _print(report: AttachReport) -> None:
    print(report, file=sys.stderr, flush=True)
