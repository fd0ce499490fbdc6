"""Stop a script from within, past its ``except Exception``."""

from __future__ import annotations

import time
from typing import Any

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook


class Stop(BaseException):
    """Raised in a script's optimizer step once the doctor has seen enough; the step is not made."""


class Deadline:
    """Stops a script at the first optimizer step later than ``seconds`` after its first one; a context manager.

    ``passed`` says whether it did.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._began: float | None = None

    def __enter__(self) -> Deadline:
        self._hook = register_optimizer_step_pre_hook(self._before_step)
        return self

    def __exit__(self, *_: object) -> None:
        """Take the hook away."""
        self._hook.remove()

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        elif now - self._began > self.seconds:
            self.passed = True
            raise Stop
