"""Collect losses on the device and look at them once per interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from d3wrap.errors import TrainingError


@dataclass(frozen=True)
class Record:
    """The losses of one log interval: means over its steps by ``plugin/term``, the last step's number, seconds.

    ``total`` is the number of steps of the run, those of its stages included.
    """

    step: int
    losses: Mapping[str, float]
    seconds: float
    total: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as a line of ``metrics.jsonl`` has it."""
        return {
            "step": self.step,
            "total": self.total,
            "seconds": round(self.seconds, 3),
            "losses": dict(self.losses),
        }


class LossLog:
    """A buffer of losses on the device, brought to the host once per ``interval`` steps.

    :meth:`take` raises :class:`~d3wrap.errors.TrainingError` naming step, term and plugin of the first loss in the
    interval that is not finite. ``done`` steps came before.
    """

    def __init__(self, interval: int, done: int = 0) -> None:
        self.interval = interval
        self.names: tuple[str, ...] = ()
        self._rows: list[Tensor] = []
        self._first_step = done + 1

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add one step's losses, named ``plugin/term``; the names must be the same in every step."""
        if not self.names:
            self.names = tuple(losses)
        elif losses.keys() != set(self.names):
            raise TrainingError(
                f"step {self._first_step + len(self._rows)}: the losses are {sorted(losses)}, before they were "
                f"{sorted(self.names)}: a plugin must return the same terms at every step"
            )
        # float64 holds any loss's value, and stacking is the only kernel a step costs.
        self._rows.append(torch.stack([losses[name].detach().double() for name in self.names]))

    @property
    def full(self) -> bool:
        """Whether an interval is complete."""
        return len(self._rows) >= self.interval

    def take(self) -> dict[str, float]:
        """Return the mean of each loss over the steps added since the last call, and start anew."""
        rows = torch.stack(self._rows).tolist()
        for offset, row in enumerate(rows):
            for name, value in zip(self.names, row, strict=True):
                if not math.isfinite(value):
                    plugin, _, term = name.partition("/")
                    raise TrainingError(
                        f"step {self._first_step + offset}: term {term!r} of plugin {plugin!r} is {value}; training "
                        "stops. Try a smaller learning rate or weight for it, or look at its inputs"
                    )
        self._first_step += len(rows)
        self._rows = []
        return {name: sum(row[i] for row in rows) / len(rows) for i, name in enumerate(self.names)}

    def state(self) -> dict[str, Any]:
        """Return the losses that were added since the last :meth:`take`."""
        rows = torch.stack(self._rows) if self._rows else None
        return {"names": list(self.names), "rows": rows, "first_step": self._first_step}

    def load_state(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Put back what :meth:`state` returned."""
        self.names, self._first_step = tuple(state["names"]), state["first_step"]
        self._rows = [] if state["rows"] is None else list(state["rows"].to(device).unbind())
