"""The hooks a plugin may implement; ``docs/hooks.md`` documents each with an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from torch import Tensor

    from d3wrap.batch import ClassifierStep, D3Batch
    from d3wrap.comparison.results import RunResult
    from d3wrap.loggers import LoggedRun
    from d3wrap.specs import AdapterSpec, EncoderSpec, GeneratorSpec, ObjectiveSpec
    from d3wrap.training.log import Record

hookspec = pluggy.HookspecMarker("d3wrap")
hookimpl = pluggy.HookimplMarker("d3wrap")


@hookspec
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register generators that ``--generator`` and :func:`d3wrap.build_generator` can name."""


@hookspec
def register_adapters(register: Callable[[AdapterSpec], None]) -> None:
    """Register adapters that :func:`d3wrap.adapt` can choose from."""


@hookspec
def register_objectives(register: Callable[[ObjectiveSpec], None]) -> None:
    """Register objectives that every enhancer builds and calls on the hooks below."""


@hookspec
def register_encoders(register: Callable[[EncoderSpec], None]) -> None:
    """Register text encoders that ``d3wrap semantics build --encoder`` can name."""


@hookspec
def on_generate(features: Tensor, labels: Tensor, semantics: Tensor) -> Tensor | None:
    """Transform features the generator just produced: ``[n, d]`` in and out, or ``None`` for no change."""


@hookspec
def on_batch(batch: D3Batch) -> Mapping[str, Tensor] | None:
    """Return named scalar losses, once per generator update, of real and generated features."""


@hookspec
def on_classifier_step(step: ClassifierStep) -> Mapping[str, Tensor] | None:
    """Return named scalar losses to add to one step of a classifier trained on real + generated features."""


@hookspec
def on_run_start(run: LoggedRun) -> None:
    """Learn that a run starts, or starts again after it was stopped: what was logged of it counts no more."""


@hookspec
def on_log(run: LoggedRun, record: Record) -> None:
    """Learn the mean losses of one log interval; all intervals of a run, in order and once each."""


@hookspec
def on_run_end(run: LoggedRun, results: Sequence[RunResult]) -> None:
    """Learn that a run ends: a result for each classifier, none where it failed or was only trained."""
