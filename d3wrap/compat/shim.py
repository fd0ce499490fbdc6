"""What a shim is: a name, what it replaces, and the function that puts it in place."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from d3wrap.compat.patches import Patches


@dataclass(frozen=True)
class Shim:
    """One group of calls that old versions of a library had.

    ``summary`` says what it brings back, ``gone`` since which version that is gone, ``covers`` the calls in short.
    ``apply`` puts it in place; ``package`` is what it needs, and without that package the shim does nothing.
    """

    name: str
    summary: str
    gone: str
    apply: Callable[[Patches], None]
    package: str | None = None

    @property
    def possible(self) -> bool:
        """Tell whether the package it is for is installed."""
        return self.package is None or importlib.util.find_spec(self.package) is not None

    @contextmanager
    def applied(self) -> Iterator[Patches]:
        """Apply this shim alone within the block, and undo it exactly afterwards, also where the block raises."""
        patches = Patches()
        try:
            if self.possible:
                self.apply(patches)
            yield patches
        finally:
            patches.undo()
