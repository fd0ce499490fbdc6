"""What an attachment found out, for a person to read once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AttachReport:
    """What was attached to what; printing it gives a few aligned lines.

    ``generator`` and ``optimizer`` name what is trained; ``sampling`` says how features are asked for and how that is
    known; ``width``, ``low`` and ``high`` describe what came, ``data_low`` and ``data_high`` the real features beside
    it; D³'s gradient reaches ``reached`` of ``parameters`` parameters; ``data`` are lines on what the script's data
    were taken for; ``step_seconds`` is what one D³ step cost, ``nan`` until there was one; ``notes`` are worth a look.
    """

    generator: str
    optimizer: str
    sampling: str
    width: int
    low: float
    high: float
    data_low: float
    data_high: float
    reached: int
    parameters: int
    real: str
    data: tuple[str, ...]
    notes: tuple[str, ...]
    step_seconds: float = float("nan")

    def __str__(self) -> str:
        cost = "" if self.step_seconds != self.step_seconds else f"{self.step_seconds:.3g} s a step"
        lines = [
            ("generator", self.generator),
            ("optimizer", self.optimizer),
            ("sampling", self.sampling),
            ("gives", f"[n, {self.width}] in [{self.low:.3g}, {self.high:.3g}]; real features are in "
                      f"[{self.data_low:.3g}, {self.data_high:.3g}]"),
            ("gradient", f"reaches {self.reached} of {self.parameters} parameters"),
            ("real batch", self.real),
            *(("data" if not i else "", line) for i, line in enumerate(self.data)),
            *(("cost", cost) for _ in [0] if cost),
            *(("note" if not i else "", note) for i, note in enumerate(self.notes)),
        ]  # fmt: skip
        return "\n".join(["d3wrap: D³ attached", *(f"  {topic:11}{text}" for topic, text in lines)])
