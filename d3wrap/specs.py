"""What plugins register: a name, a description, and how to build the thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset

if TYPE_CHECKING:
    from d3wrap.generator import Backbone
    from d3wrap.networks import Student
    from d3wrap.semantics.encoder import TextEncoder
    from d3wrap.settings import D3Settings
    from d3wrap.training.teacher import AnyTeacher


@dataclass(frozen=True)
class BackboneSettings:
    """What every generator's settings hold; a plugin's settings subclass this dataclass with its own fields."""

    steps: int = 4000
    """Iterations (generator updates) of the host loop."""
    batch_size: int = 64
    """Real features per step."""
    synthetic_per_class: int = 300
    """Features generated per unseen class to train the final classifiers on."""


@dataclass(frozen=True)
class GeneratorSpec:
    """A generator under a name: ``build(dataset, settings)`` gives an untrained backbone.

    ``presets`` maps a preset's name to its settings, all instances of ``settings``. ``search`` names those that
    `d3wrap tune` varies unless it is told otherwise, each from a quarter to four times the preset's; those must be
    above 0. Empty is ``lr``, where there is one.
    """

    name: str
    family: str
    summary: str
    reference: str
    settings: type[BackboneSettings]
    presets: Mapping[str, BackboneSettings]
    build: Callable[[GZSLDataset, Any], Backbone]
    search: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdapterSpec:
    """An adapter under a name: ``accepts(network)`` says whether it fits, ``build(network, **options)`` wraps it."""

    name: str
    summary: str
    accepts: Callable[[object], bool]
    build: Callable[..., Any]


@dataclass(frozen=True)
class ObjectiveContext:
    """What an objective may look at while it is built; the teacher is trained and frozen by then."""

    settings: D3Settings
    dataset: GZSLDataset
    teacher: AnyTeacher
    student: Student
    train_teacher_logits: Tensor
    """Teacher logits on all training rows, ``[n_train, |Y_s|]``, for statistics such as a standardisation."""


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective under a name: ``build(context)`` gives an object with ``hookimpl`` methods.

    An ``nn.Module`` may hold parameters; they are trained with the student's. ``terms`` are the names of its losses.
    An ``optional`` one takes part only where a weight names it or one of its terms.
    """

    name: str
    summary: str
    build: Callable[[ObjectiveContext], object]
    terms: tuple[str, ...] = field(default=())
    optional: bool = False


@dataclass(frozen=True)
class EncoderSettings:
    """What settings of text encoders derive from; an encoder's are numbers, text, booleans and ``None``."""


@dataclass(frozen=True)
class EncoderSpec:
    """A text encoder under a name: ``build(settings, device)`` gives a :class:`~d3wrap.semantics.encoder.TextEncoder`.

    ``required`` names the settings that have no default worth having, such as which weights to load.
    """

    name: str
    summary: str
    reference: str
    settings: type[EncoderSettings]
    build: Callable[[Any, torch.device], TextEncoder]
    required: tuple[str, ...] = ()
