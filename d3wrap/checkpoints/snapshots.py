"""Weights kept on the way, to measure a run not at its last step alone, or to choose among its steps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from d3wrap.checkpoints.tensors import read_weights, save_tensors
from d3wrap.enhancer import Enhancer
from d3wrap.generator import Backbone


class Snapshots:
    """Weights of generator and enhancer by step, a file each in the run's folder, where a killed run finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "snapshots"

    def save(self, step: int, backbone: Backbone, enhancer: Enhancer | None) -> None:
        """Keep the weights of step ``step``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_tensors(self._path(step), _state(backbone, enhancer))

    @property
    def steps(self) -> list[int]:
        """Return the steps there are, ascending."""
        return sorted(int(path.stem) for path in self.folder.glob("*.safetensors"))

    def load(self, step: int, backbone: Backbone, enhancer: Enhancer | None) -> None:
        """Put the weights of step ``step`` into the networks."""
        _load(read_weights(self._path(step)), backbone, enhancer)

    def each(self, backbone: Backbone, enhancer: Enhancer | None) -> Iterator[int]:
        """Yield each step with its weights in the networks, whose own come back at the end."""
        final = _state(backbone, enhancer)
        try:
            for step in self.steps:
                self.load(step, backbone, enhancer)
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
