"""Time and peak memory of one D³ step, each side in processes of its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor

from parts.clock import peak_bytes, seconds
from parts.problem import Problem
from parts.sizes import SMALL, Sizes

SIDES = ("reference", "released", "corrected")
"""The pair-expanding reference (released formulation), and d3wrap in both formulations."""
TIMED = {"reference": 1, "released": 5, "corrected": 5}
"""Steps timed in one process, after a first one that is measured for memory."""


@dataclass(frozen=True)
class Measured:
    """What one process found of one side; ``values`` are its losses and gradients, by name."""

    seconds: float
    peak_bytes: int | None
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class StepResult:
    """Medians over the rounds, by side, and how far d3wrap is from the reference, relatively."""

    seconds: Mapping[str, float]
    peak_bytes: Mapping[str, int | None]
    loss_difference: float
    gradient_difference: float

    @property
    def speedup(self) -> float:
        """How often d3wrap's step fits into the reference's."""
        return self.seconds["reference"] / self.seconds["released"]

    @property
    def memory_ratio(self) -> float | None:
        """How often d3wrap's memory fits into the reference's."""
        ours, theirs = self.peak_bytes["released"], self.peak_bytes["reference"]
        return None if ours is None or theirs is None else theirs / max(ours, 1)


def measure(sizes: Sizes, device: torch.device, threads: int, rounds: int) -> StepResult:
    """Measure every side in turn, ``rounds`` times over, so that what else the machine does falls on all alike."""
    found: dict[str, list[Measured]] = {side: [] for side in SIDES}
    # A process of its own starts from nothing; forked from a server it need not import torch again.
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch"])
    for _ in range(rounds):
        for side in SIDES:
            with ProcessPoolExecutor(1, context) as pool:
                found[side].append(pool.submit(measure_side, side, sizes, device, threads).result())
    ours, theirs = found["released"][0].values, found["reference"][0].values
    differences = {name: _difference(ours[name], theirs[name]) for name in theirs}
    is_gradient = {name: name.startswith("gradient ") for name in theirs}
    return StepResult(
        {side: statistics.median(one.seconds for one in runs) for side, runs in found.items()},
        {side: _median([one.peak_bytes for one in runs]) for side, runs in found.items()},
        max(value for name, value in differences.items() if not is_gradient[name]),
        max(value for name, value in differences.items() if is_gradient[name]),
    )


def measure_side(side: str, sizes: Sizes, device: torch.device, threads: int) -> Measured:
    """Measure one side in this process."""
    torch.set_num_threads(threads)
    _step(side, _problem(side, SMALL, device))  # loads code and starts threads, which are nobody's cost
    problem = _problem(side, sizes, device)
    found: dict[str, Tensor] = {}
    peak = peak_bytes(lambda: found.update(_step(side, problem)), device)
    values = {name: value.cpu().numpy() for name, value in found.items()}
    times = [seconds(lambda: _step(side, problem), device) for _ in range(TIMED[side])]
    return Measured(statistics.median(times), peak, values)


def _problem(side: str, sizes: Sizes, device: torch.device) -> Problem:
    return Problem(sizes, "corrected" if side == "corrected" else "released", device)


def _step(side: str, problem: Problem) -> dict[str, Tensor]:
    """Go forward and backward; return losses and gradients."""
    terms = problem.reference() if side == "reference" else problem.d3wrap()
    gradients = {f"gradient {name}": value for name, value in terms.gradients().items()}
    return {name: value.detach() for name, value in terms.losses.items()} | gradients


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    exact = expected.astype(np.float64)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def _median(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return int(statistics.median(known)) if known else None
