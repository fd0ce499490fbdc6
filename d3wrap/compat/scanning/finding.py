"""What a scan finds, once for each kind and file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Hit(NamedTuple):
    """One place: its line, what is there, the shim that helps (or None), and what to do."""

    line: int
    found: str
    shim: str | None
    remedy: str


@dataclass(frozen=True)
class Finding:
    """Something in a file that current versions or this machine lack.

    ``line`` is the first place and ``lines`` are all of them, ``found`` says what is there, ``shim`` names the entry of
    :data:`d3wrap.compat.SHIMS` that supplies it, or is None, and ``remedy`` says in words what to do.
    """

    path: Path
    line: int
    found: str
    shim: str | None
    remedy: str
    lines: tuple[int, ...]

    def __str__(self) -> str:
        more = f" (and {len(self.lines) - 1} more)" if len(self.lines) > 1 else ""
        return f"{self.path}:{self.line}{more}: {self.found}: {self.remedy}"


def grouped(path: Path, hits: Iterable[Hit]) -> list[Finding]:
    """Return one finding for all hits of a file that say the same, in the order of their first lines."""
    lines: dict[tuple[str, str | None, str], set[int]] = {}
    for hit in hits:
        lines.setdefault((hit.found, hit.shim, hit.remedy), set()).add(hit.line)
    found = [Finding(path, min(places), *kind, lines=tuple(sorted(places))) for kind, places in lines.items()]
    return sorted(found, key=lambda finding: (finding.line, finding.found))
