"""Weights kept on the way, to measure a run not at its last step alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from d3wrap.comparison.run_folder import read_weights, save_tensors
from d3wrap.enhancer import Enhancer
from d3wrap.generator import Backbone

LAST = 5
"""Log points, the last step among them, whose mean is reported beside the last."""
CANDIDATES = 10
"""Log points that the protocol of the papers chooses from."""


def wanted(steps: int, log_every: int, protocol: str) -> set[int]:
    """Return the steps before the last whose weights are kept, all of them ends of log intervals."""
    points = [*range(log_every, steps, log_every)]
    kept = set(points[-(LAST - 1) :])
    if protocol == "paper":
        count = min(CANDIDATES - 1, len(points))
        kept |= {points[round(i * (len(points) - 1) / max(count - 1, 1))] for i in range(count)}
    return kept


class Snapshots:
    """Weights of generator and enhancer by step, a file each in the run's folder, where a killed run finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "snapshots"

    def save(self, step: int, backbone: Backbone, enhancer: Enhancer | None) -> None:
        """Keep the weights of step ``step``."""
        self.folder.mkdir(exist_ok=True)
        save_tensors(self._path(step), _state(backbone, enhancer))

    @property
    def steps(self) -> list[int]:
        """Return the steps there are, ascending."""
        return sorted(int(path.stem) for path in self.folder.glob("*.safetensors"))

    def each(self, backbone: Backbone, enhancer: Enhancer | None) -> Iterator[int]:
        """Yield each step with its weights in the networks, whose own come back at the end."""
        final = _state(backbone, enhancer)
        try:
            for step in self.steps:
                _load(read_weights(self._path(step)), backbone, enhancer)
                yield step
        finally:
            _load(final, backbone, enhancer)

    def remove(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step}.safetensors"


def _state(backbone: Backbone, enhancer: Enhancer | None) -> dict[str, Tensor]:
    parts = {"generator": backbone.state_dict(), "enhancer": {} if enhancer is None else enhancer.state_dict()}
    return {f"{part}/{name}": value.detach().clone() for part, state in parts.items() for name, value in state.items()}


def _load(state: Mapping[str, Tensor], backbone: Backbone, enhancer: Enhancer | None) -> None:
    def part(name: str) -> dict[str, Tensor]:
        return {key.partition("/")[2]: value for key, value in state.items() if key.partition("/")[0] == name}

    backbone.load_state_dict(part("generator"))
    if enhancer is not None:
        enhancer.load_state_dict(part("enhancer"))
