"""What one run measured, as a table and for a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from parts.sizes import Sizes
from parts.step import StepResult
from parts.training import CriticResult, Pair

FASTER = 15
SMALLER = 8
CLOSE = 1e-4
"""Targets of the D³ step against the reference: times faster, times less memory, relative difference at most."""


@dataclass(frozen=True)
class Results:
    """Everything one run measures."""

    sizes: Sizes
    machine: str
    step: StepResult
    iteration: Pair
    critic: CriticResult
    hooks: dict[str, float]

    @property
    def disagreements(self) -> list[str]:
        """Say where two sides that should compute the same numbers do not."""
        differences = {
            "losses of the D³ step": self.step.loss_difference,
            "gradients of the D³ step": self.step.gradient_difference,
            "gradients of the critic step": self.critic.difference,
        }
        # Written so that NaN is a disagreement.
        return [f"{name} differ by {value:.1e}" for name, value in differences.items() if not value <= CLOSE]

    @property
    def misses(self) -> list[str]:
        """Say which targets are missed."""
        found = [(self.step.speedup, FASTER, "faster"), (self.step.memory_ratio, SMALLER, "smaller")]
        return [
            f"D³ step is {value:.1f}x {word}, target {target}x"
            for value, target, word in found
            if value is not None and value < target
        ]

    def table(self) -> Table:
        """Return the results as one table, 80 columns wide at most."""
        sizes, one = self.sizes, self.step
        table = Table(title=f"{self.machine}\n{_described(sizes)}", title_justify="left", box=None)
        for heading in ("", "time", "memory", ""):
            table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
        ratio = "" if one.memory_ratio is None else f", {one.memory_ratio:.0f}x smaller"
        sides = {
            "reference": ("expanding pairs, released", ""),
            "released": ("d3wrap, released", f"[bold]{one.speedup:.1f}x faster{ratio}[/]"),
            "corrected": ("d3wrap, corrected", ""),
        }
        table.add_row("[bold]D³ step[/]")
        for side, (name, note) in sides.items():
            table.add_row(f"  {name}", shown_time(one.seconds[side]), _memory(one.peak_bytes[side]), note)
        table.add_row("  largest relative difference", "", "", f"losses {one.loss_difference:.0e}")
        table.add_row("", "", "", f"gradients {one.gradient_difference:.0e}")
        table.add_row("[bold]f-CLSWGAN iteration[/]")
        table.add_row("  baseline", shown_time(self.iteration.first))
        table.add_row(
            "  enhanced, corrected", shown_time(self.iteration.second), "", f"[bold]{self.iteration.ratio:.2f}x[/]"
        )
        table.add_row("[bold]critic step, gradient penalty[/]")
        table.add_row("  in closed form", shown_time(self.critic.pair.first))
        table.add_row(
            "  by double backward",
            shown_time(self.critic.pair.second),
            "",
            f"[bold]{self.critic.pair.ratio:.2f}x[/]",
        )
        table.add_row("  relative difference", "", "", f"gradients {self.critic.difference:.0e}")
        table.add_row("[bold]one call of the hook on_batch[/]", "", "", "best")
        for way, cost in self.hooks.items():
            table.add_row(f"  {way}", f"{cost:.2f} µs")
        return table

    def as_json(self) -> dict[str, Any]:
        """Return every number, for a file."""
        ratios = {
            "step_seconds": self.step.speedup,
            "step_memory": self.step.memory_ratio,
            "iteration": self.iteration.ratio,
            "critic": self.critic.pair.ratio,
        }
        return {**asdict(self), "ratios": ratios, "disagreements": self.disagreements, "misses": self.misses}


def _described(sizes: Sizes) -> str:
    return (
        f"d {sizes.feature_dim}, {sizes.num_classes} classes, {sizes.num_unseen} of them unseen\n"
        f"D³ step: e {sizes.embedding_dim}, {sizes.real} real + {sizes.num_unseen * sizes.per_class} generated\n"
        f"f-CLSWGAN: batch {sizes.batch_size}, hidden {sizes.hidden}, {sizes.critic_steps} critic steps"
    )


def shown_time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _memory(count: int | None) -> str:
    return "not known" if count is None else f"{count / 2**20:,.0f} MiB"
