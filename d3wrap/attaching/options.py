"""What an attachment is told besides its generator, data and optimizers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from d3wrap.attaching.report import AttachReport
from d3wrap.errors import ConfigError
from d3wrap.foreign import Convention
from d3wrap.manager import Plugins
from d3wrap.settings import D3Settings


@dataclass(frozen=True)
class Options:
    """When D³ takes part, with what real batches, on which parameters; see :func:`d3wrap.attach` for each."""

    settings: D3Settings = field(default_factory=D3Settings)
    real: Callable[[], tuple[Tensor, Tensor]] | None = None
    labels: Convention | None = None
    parameters: tuple[nn.Parameter, ...] | None = None
    batch_size: int = 64
    every: int = 1
    inner_steps: int = 1
    start_step: int = 0
    scale: float = 1.0
    seed: int = 0
    plugins: Plugins | None = None
    show: Callable[[AttachReport], object] | None = None

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("every", 1), ("inner_steps", 1), ("start_step", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name}: expected an integer of {least} or more, found {value!r}")
        if not 0 <= self.scale < math.inf:
            raise ConfigError(f"scale: expected 0 or more, found {self.scale!r}")
        if self.real is not None and not callable(self.real):
            raise ConfigError("real: expected real=lambda: (features, labels), which is called at each step")

    def due(self, step: int) -> bool:
        """Tell whether D³ takes part in step ``step``, counted from 0."""
        return step >= self.start_step and (step - self.start_step) % self.every == 0
