"""One trial: settings, what they reached from each seed, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Literal, get_args

from d3wrap.comparison.run import Arm

State = Literal["finished", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """A trial that has ended. ``number`` counts from 0, which are the defaults, in each arm by itself.

    ``reached`` has the criterion by seed: of all seeds where it is ``finished``, of the first ones where it was
    ``pruned``, of some or none where it ``failed``; then ``fault`` says why. ``seconds`` are those of training and
    measuring.
    """

    arm: Arm
    number: int
    parameters: Mapping[str, Any]
    state: State
    reached: Mapping[int, float]
    seconds: float = field(compare=False)
    fault: str | None = None

    @property
    def value(self) -> float | None:
        """The mean over seeds; ``None`` unless it is finished."""
        return fmean(self.reached.values()) if self.state == "finished" else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with its value."""
        reached = {str(seed): value for seed, value in self.reached.items()}
        return asdict(self) | {"parameters": dict(self.parameters), "reached": reached, "value": self.value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Trial:
        """Undo :meth:`as_dict`; raises ``KeyError``, ``TypeError``, ``ValueError`` or ``AttributeError`` for others."""
        if stored["arm"] not in get_args(Arm) or stored["state"] not in get_args(State):
            raise ValueError(f"arm {stored['arm']!r} or state {stored['state']!r}")
        return cls(
            arm=stored["arm"],
            number=int(stored["number"]),
            parameters=dict(stored["parameters"]),
            state=stored["state"],
            reached={int(seed): float(value) for seed, value in stored["reached"].items()},
            seconds=float(stored["seconds"]),
            fault=None if stored["fault"] is None else str(stored["fault"]),
        )


def best_of(trials: list[Trial]) -> Trial:
    """Return the finished trial of the highest value, the earlier of equal ones: the defaults win ties."""
    finished = [(trial.value, -trial.number, trial) for trial in trials if trial.value is not None]
    return max(finished, key=lambda one: one[:2])[2]
